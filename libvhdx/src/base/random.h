/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes from the system. Layer: base. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* 0, or -1. */
int random_bytes(void *buffer, size_t length);

#endif

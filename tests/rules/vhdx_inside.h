/* SPDX-License-Identifier: MIT */
/* Steps of the VHDX writer that no public call does alone. Layer: tests/rules; a file of its own, because the engine's headers and the recipes name some things alike. */
#ifndef RULES_VHDX_INSIDE_H
#define RULES_VHDX_INSIDE_H

#include "vhdx.h"

/* Begins the session of a change that no reader of the disk can see. */
int inside_begin_unchanged(vhdx_disk *disk, struct vhdx_error *error);
/* All changes durable and in their places. */
int inside_settle(vhdx_disk *disk, struct vhdx_error *error);

#endif

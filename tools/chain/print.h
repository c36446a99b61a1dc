/* SPDX-License-Identifier: MIT */
#ifndef PRINT_H
#define PRINT_H

#include "forest.h"

/* As trees of lines, the way tree(1) draws them. */
void print_text(const struct forest *forest);
void print_json(const struct forest *forest);
/* For Graphviz. */
void print_dot(const struct forest *forest);

#endif

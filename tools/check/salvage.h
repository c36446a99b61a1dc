/* SPDX-License-Identifier: MIT */
/*
 * --salvage: exports what a damaged image still holds to a new one, with a map that says of every byte whether it is
 *
 *   present   as it was
 *   zero      the image says that it is zeros, or nothing was ever written there
 *   lost      hidden by damage, beyond the end of a file that was cut off, or not readable: zeros in the new image
 *   parent    in a parent that was not found, or not there: zeros in the new image
 */
#ifndef SALVAGE_H
#define SALVAGE_H

#include "check.h"

int salvage(const struct request *request, const char *image);

#endif

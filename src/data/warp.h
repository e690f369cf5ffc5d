/* SPDX-License-Identifier: Apache-2.0 */
/* warp.h - slices that are turned, scaled and bent, and their label maps with them.
 *
 * Images are [rows][columns]; out may not be the input. */
#ifndef SLMT_DATA_WARP_H
#define SLMT_DATA_WARP_H

/* Turns the image by `angle` (radians) and makes it `scale` times as large, about its middle. What comes from
 * outside is 0. nearest: values are names; else they are blended. */
void warp_turn(const float *image, int rows, int columns, double angle, double scale, int nearest,
               float *out);

/* The field that a 3x3 grid of displacements gives: flow [rows][columns][2], of rows and columns, cubic
 * between the grid's points (Keys 1981, with -3/4), whose cells have the size of a third of the image. */
enum { WARP_GRID = 3 };
void warp_flow(const double grid[2][WARP_GRID][WARP_GRID], int rows, int columns, float *flow);

/* out(p) = image(p - flow(p)), blended of the four pixels around; beyond the ends the outermost pixel goes
 * on.
 */
void warp_bend(const float *image, int rows, int columns, const float *flow, float *out);

#endif

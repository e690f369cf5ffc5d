/* SPDX-License-Identifier: Apache-2.0 */
/** @file slmt.h
 *  libslmt: makes a missing MR contrast from one that is there. This header brings all the others but
 *  slmt_net.h, the typed calls of one method.
 *
 *  Research software. Its output is not for diagnosis.
 *
 *  A context (context.h) chooses backend, threads and memory. A model (model.h) is made, or loaded from a
 *  checkpoint; a trainer (trainer.h) changes it, fed by a dataset (dataset.h); a session (session.h)
 *  synthesizes slices and volumes (volume.h) with it. A profile (profile.h) tells where their time went, and
 *  differentiation.h what errors of synthesis tell of the sequences. segment.h labels volumes. */
#ifndef SLMT_H
#define SLMT_H

#include "slmt/context.h"
#include "slmt/dataset.h"
#include "slmt/differentiation.h"
#include "slmt/method.h"
#include "slmt/model.h"
#include "slmt/profile.h"
#include "slmt/segment.h"
#include "slmt/session.h"
#include "slmt/status.h"
#include "slmt/trainer.h"
#include "slmt/version.h"
#include "slmt/volume.h"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An unpacked layer as the helper hands it over, and what the trusted side does with it before it enters the
 * store. The helper runs without CAP_SYS_ADMIN and so can not write trusted.overlay.opaque: it leaves a file
 * named as the OCI layer format names it, and the seal turns that into the attribute.
 */
#ifndef BATON_IMAGE_LAYER_H
#define BATON_IMAGE_LAYER_H

#include <stdint.h>

#include "core/base/error.h"

#define LAYER_OPAQUE_MARKER   ".wh..wh..opq" /* OCI image-spec layer.md, "Opaque Whiteout" */
#define LAYER_WHITEOUT_PREFIX ".wh."
#define LAYER_METADATA_PREFIX ".wh..wh." /* of AUFS; means nothing to an overlay */
#define LAYER_DEPTH_MAX       128 /* below the limit of tree_remove_at: what can be made can be removed */

/*
 * Walks a layer that nobody else writes any more: turns markers into attributes, and refuses what a layer
 * must not hold (device nodes other than whiteouts, sockets, another file system, too deep, too many
 * entries). 0 and the bytes on disk (hard links counted once), or negative errno.
 */
int image_layer_seal(int layer_fd, uint64_t *ret_bytes, struct baton_error *err);

/* Bytes on disk of a layer that is in the store already. */
int image_layer_measure(int layer_fd, uint64_t *ret_bytes, struct baton_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How an instance gets its id: controller and agents derive the same one from the same manifest. */
#ifndef BATON_IPC_IDENTITY_H
#define BATON_IPC_IDENTITY_H

#include "core/model/app.h"
#include "core/model/assignment.h"

/*
 * Hash of everything in `spec` that makes a running container what it is: any difference means another
 * container. Members with their default value do not count, so that a later Baton with more members gives the
 * same hash. Lower-case hexadecimal, INSTANCE_HASH_LENGTH characters. 0, -ENOMEM,
 * or -EMSGSIZE and -EINVAL for a spec that could not be sent either (the Compose decoder accepts none such).
 */
int identity_hash(const struct container_spec *spec, char hash[static INSTANCE_HASH_LENGTH + 1]);

/* "app.service.slot.hash". 0 or -EMSGSIZE when longer than INSTANCE_ID_MAX. */
int identity_format(const char *app, const char *service, uint32_t slot, const char *hash,
        char id[static INSTANCE_ID_MAX + 1]);

#endif

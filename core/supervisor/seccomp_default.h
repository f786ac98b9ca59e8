/* SPDX-License-Identifier: Apache-2.0 */
/* The default seccomp profile: an allow list, everything else fails with EPERM. */
#ifndef BATON_SUPERVISOR_SECCOMP_DEFAULT_H
#define BATON_SUPERVISOR_SECCOMP_DEFAULT_H

/*
 * OCI linux.seccomp as JSON text (config-linux.md). Names cover amd64, arm64 and armhf; a name that an
 * architecture lacks is ignored there. No foreign architecture and no x32 is allowed: the profile speaks of
 * the native one only.
 */
const char *seccomp_default_json(void);

#endif

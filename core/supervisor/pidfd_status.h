/* SPDX-License-Identifier: Apache-2.0 */
/* Exit status of a process through its pidfd, child or not. */
#ifndef BATON_SUPERVISOR_PIDFD_STATUS_H
#define BATON_SUPERVISOR_PIDFD_STATUS_H

struct pidfd_status {
	int code;   /* 0..255, or 128 + signal */
	int signal; /* 0 unless a signal ended it */
};

/*
 * Reaps a child. 0 and *ret_status; -EAGAIN while it runs; -ECHILD when it is not our child
 * (pidfd_status_foreign).
 */
int pidfd_status_wait(int pidfd, struct pidfd_status *ret_status);

/*
 * Status of a process that somebody else reaps: PIDFD_GET_INFO with PIDFD_INFO_EXIT (Linux 6.15,
 * ioctl_pidfd(2)). 0 and *ret_status; -EAGAIN while it is not reaped yet; -EOPNOTSUPP on a kernel that cannot
 * tell.
 */
int pidfd_status_foreign(int pidfd, struct pidfd_status *ret_status);

/* -1 or a new pidfd for `pid` if it is alive and was started at `start_time` (field 22 of /proc/PID/stat). */
int pidfd_open_checked(int pid, unsigned long long start_time);

#endif

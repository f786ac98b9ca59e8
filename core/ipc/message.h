/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed messages between batond (supervisor) and baton-control (control). One message is one
 * SOCK_SEQPACKET datagram: a fixed header, then tagged fields in ascending order of tag; a field with its
 * default value is left out. Both sides run from one table of fields (message.c), and the decoder refuses
 * what it does not know: both ends are of one build, checked by HELLO.
 */
#ifndef BATON_IPC_MESSAGE_H
#define BATON_IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/model/container.h"

enum ipc_type {
	/* control -> supervisor; each is answered by IPC_REPLY with the same sequence number */
	IPC_HELLO = 1, /* version; REPLY, then one NODE event and one INSTANCE event per known instance, then
	                  SYNCED */
	IPC_START,  /* spec, generation: make the bundle, create, start. REPLY says accepted; INSTANCE events
	               follow */
	IPC_STOP,   /* id, signal, grace_ms: signal, then SIGKILL after the grace. Idempotent. */
	IPC_FORGET, /* id: remove an ended instance with its record, logs and writable layer. EBUSY while it
	               runs */
	IPC_IMAGE,  /* image: REPLY code 0 with image_digest, or ENOENT */
	IPC_BROKER_SAVE, /* embedded broker: write retained state to disk now. ENOTSUP when there is none */

	/* supervisor -> control */
	IPC_REPLY = 64,     /* code, message, image_digest */
	IPC_NODE,           /* what the supervisor knows of this node */
	IPC_INSTANCE,       /* state of one instance, on every change; the newest replaces older ones */
	IPC_IMAGES_CHANGED, /* an image was imported or removed */
	IPC_SYNCED,         /* all known instances have been sent */
};

enum ipc_instance_state {
	IPC_INSTANCE_STARTING = 1,
	IPC_INSTANCE_RUNNING,
	IPC_INSTANCE_STOPPING,
	IPC_INSTANCE_ENDED
};

struct ipc_message {
	uint32_t type;
	uint32_t sequence; /* chosen by the requester; 0 in events */

	char *id;
	char *version; /* HELLO, NODE */
	char *image;
	char *image_digest;  /* "sha256:…" */
	uint64_t generation; /* of the start: control counts, so that an old event is told from a new one */
	uint32_t
	        attempts; /* restarts in a row before this start: control counts, the supervisor repeats it */
	int32_t signal;   /* STOP: 0 = the spec's; INSTANCE: that ended it, else 0 */
	uint32_t grace_ms; /* STOP: 0 = the spec's */
	uint32_t state;    /* enum ipc_instance_state */
	int32_t pid;
	bool has_exit_code; /* false on ENDED: nobody could wait for it */
	int32_t exit_code;  /* 0..255, 128 + signal for a signal */
	bool oom_killed;
	bool never_ran; /* ENDED: the container's program was never executed; `message` names the failed step
	                 */
	bool limit_unenforced;
	uint64_t started_ns; /* boot clock of the exec, 0 before */
	uint64_t ended_ns;   /* the same for its end; 0 while it is not over */
	int32_t code;        /* REPLY: 0 or a positive errno */
	char *message;       /* REPLY, INSTANCE: reason for people */
	char *runtime;
	char **runtimes;   /* NODE: loaded plugins, the default first */
	char **missing;    /* NODE: what this kernel lacks, one sentence each */
	char *cgroup_mode; /* NODE: "v1", "hybrid", "v2" */
	struct container_spec
	        spec; /* START; also INSTANCE after HELLO, so that a new control knows what runs */
	bool has_spec;
};

void ipc_message_release(struct ipc_message *message); /* frees what it owns, zeroes it */

/*
 * Appends the encoded message to `out`. 0; -ENOMEM; -EMSGSIZE when it or one of its members is above its
 * limit; -EINVAL for what the decoder would refuse: a member that the type does not carry or must have, a
 * value out of range, a sequence number in an event or none in a request. `out` is unchanged on failure.
 */
int ipc_message_encode(const struct ipc_message *message, struct buf *out);

/*
 * 0 and *ret_message (release it), or -EINVAL with the offending field in err (-ENOMEM): the peer is treated
 * as hostile. In what is accepted, ids and names of apps, services and runtimes are name_valid(), every mount
 * has a source and a target, and it encodes to the same bytes again.
 */
int ipc_message_decode(
        const void *data, size_t length, struct ipc_message *ret_message, struct baton_error *err);

/*
 * The fields of a container spec alone, canonical: the input of identity_hash(). `id` and `slot` are left
 * out. As ipc_message_encode, without a required member.
 */
int ipc_spec_encode(const struct container_spec *spec, struct buf *out);

#endif

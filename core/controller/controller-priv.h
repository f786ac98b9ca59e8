/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the controller share: the fleet, the applications, and who does what with them. */
#ifndef BATON_CONTROLLER_PRIV_H
#define BATON_CONTROLLER_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/controller/board.h"
#include "core/controller/controller.h"
#include "core/controller/table.h"
#include "core/model/app.h"
#include "core/model/assignment.h"
#include "core/model/node.h"
#include "core/model/report.h"
#include "core/model/verdict.h"

#define NAME_SIZE   (TOPIC_NAME_MAX + 1)
#define REASON_SIZE 512

struct placement { /* one slot of a service on one node; owned by its application */
	struct assignment_ref ref;
	struct fleet_node *node;
	int64_t cpu; /* what it reserves there */
	int64_t memory;
	int64_t since_ms;   /* wall clock, for people */
	int64_t running_ms; /* boot clock, first report of `running` without another state or a restart
	                       since; 0: not running */
	uint32_t restarts;  /* of that report */
};

struct fleet_node {
	char name[NAME_SIZE]; /* first: key of the table */
	bool has_presence;
	struct node_presence presence;
	int64_t heard_ms; /* boot clock: presence or beat */
	bool silent;      /* online by its presence, but no beat for a while */
	bool has_info;
	struct node_info info;
	bool has_report;
	struct report report;

	struct placement **placements; /* borrowed, no order */
	size_t n_placements;
	int64_t cpu_reserved;
	int64_t memory_reserved;
	int64_t of_service; /* scratch of the scheduler: instances of the service that is being placed */

	bool changed;        /* placements changed: publish */
	bool renew;          /* publish under the newest term even if nothing changed */
	bool journal;        /* text changed: write */
	bool journal_failed; /* not again before journal_retry */
	char *text;          /* document that we stand for; NULL: none */
	char *instances;     /* its list of instances alone, to see whether anything changed */
	bool retained_same;  /* since the last connect: the broker holds exactly `text` */
	int64_t term;        /* of text */
	int64_t revision;
};

struct service_state { /* of a service of the revision in force, same index */
	char hash[INSTANCE_HASH_LENGTH + 1];
	char policy[NAME_SIZE];     /* that placed it last; "" before */
	char note[REASON_SIZE];     /* why that is not the policy it asked for, "" otherwise */
	char unplaced[REASON_SIZE]; /* why slots have no node, "" when all have one */
	char rollout[REASON_SIZE];  /* what the rollout waits for, "" without */
	bool paused;                /* a new instance failed */
};

struct revision {
	char digest[DIGEST_HEX_SIZE];
	char *bytes;
	size_t length;
	struct app app;
	struct service_state *services; /* app.n_services */
};

struct kept_revision {
	char digest[DIGEST_HEX_SIZE];
	bool retained; /* since the last connect: the broker has it */
	bool written;  /* the journal has it */
};

struct scale_override {
	char service[NAME_SIZE];
	uint32_t replicas;
};

enum arrival { /* of a manifest before synced: judged then */
	ARRIVED_NOTHING,
	ARRIVED_TEXT,
	ARRIVED_KNOWN, /* the one that we know: nothing has to be kept */
	ARRIVED_TOO_LARGE,
	ARRIVED_UNKNOWN, /* there was no room to keep it */
};

struct app_entry {
	char name[NAME_SIZE]; /* first: key of the table */
	bool has_document;    /* apps/{app}/desired holds something */
	bool judged;          /* errors, warnings and rejected belong to `document` */
	bool no_room;         /* rejected for the full disk: the same document is judged anew */
	bool rejected;
	enum arrival arrived;
	char *pending; /* ARRIVED_TEXT */
	size_t pending_length;
	bool unsettled;                 /* until the next sync: the broker did not get back what it forgot */
	char document[DIGEST_HEX_SIZE]; /* "" when it was too large to be looked at */
	json_t *errors;                 /* of the document's verdict */
	json_t *warnings;
	bool truncated; /* there are more of them */

	char in_force[DIGEST_HEX_SIZE]; /* "": none */
	struct revision *revision;      /* the same, decoded; NULL until synced */
	struct kept_revision *kept;     /* oldest first */
	size_t n_kept;
	struct revision_text {
		char digest[DIGEST_HEX_SIZE];
		char *bytes;
		size_t length;
	} * replayed; /* retained revisions that the journal lacks; dropped when synced */
	size_t n_replayed;
	struct scale_override *overrides;
	size_t n_overrides;

	int64_t mark;                 /* watermark of the journal when it was last written */
	bool buried;                  /* the journal says that it was removed */
	char before[DIGEST_HEX_SIZE]; /* newest revision of a removed application of this name, "" without */

	struct placement **placements; /* owned, by service and slot */
	size_t n_placements;

	bool plan;            /* something changed: plan again */
	bool waits;           /* for time to pass: plan again at every tick */
	bool unplaced;        /* plan again when a node changes */
	bool show;            /* status may have changed */
	bool journal;         /* write */
	bool journal_failed;  /* not again before journal_retry */
	char *status;         /* text last published; NULL: none */
	bool status_retained; /* a status of a predecessor is there */
	bool status_differs;  /* since synced: the broker holds another one than `status` */
	int64_t shown_ms;     /* boot clock */
	const char *state;    /* one of the words of the status document */
	char reason[REASON_SIZE];
	char since[CLOCK_TEXT_SIZE];
};

struct policies;

#define TOMBSTONES_MAX 32

struct tombstone { /* of a removed application whose journal file is still there */
	char name[NAME_SIZE];
	char digest[DIGEST_HEX_SIZE]; /* of its newest revision */
	int64_t since_ms;             /* boot clock */
};

struct controller {
	char *prefix;
	char *node;
	controller_publish_fn publish;
	void *arg;
	char **filters;
	struct event *tick;          /* silent nodes, restarted instances that have to prove themselves */
	struct event *settle_timer;  /* instances that have to stay up before an update goes on */
	struct event *status_timer;  /* status documents that came too soon after the last one */
	struct event *journal_turn;  /* after what was published is on its way */
	struct event *journal_again; /* a write failed */

	struct table nodes;
	struct table apps;
	struct policies *policies;
	struct board strangers; /* statuses of applications that have no entry */
	size_t held_bytes;      /* of what arrived and is kept until synced */
	int journal_fd;
	bool journal_failing;     /* the last write failed, and that was logged */
	int64_t watermark;        /* of the journal: grows with every write about an application */
	int64_t broker_watermark; /* the one that the broker holds */
	bool leader_differs;      /* somebody else wrote on controller/leader */
	struct tombstone tombstones[TOMBSTONES_MAX]; /* oldest first */
	size_t n_tombstones;

	bool connected;
	bool incomplete;        /* what is retained did not all arrive */
	bool replayed;          /* everything that is retained has arrived */
	bool synced;            /* and there is a term to answer it in */
	int64_t term;           /* 0 before the first synced */
	int64_t revision;       /* last one published in this term */
	int64_t highest_term;   /* seen anywhere */
	int64_t term_raised_ms; /* boot clock */
};

/* controller.c: one step after every input: plan what changed, publish it, remember it. */
void controller_turn(struct controller *controller);
/* Plans the applications that wait again, after so long or earlier. */
void controller_settle_in(struct controller *controller, int64_t ms);
/* What time alone changes, every CONFIG_BEAT_MS. */
void controller_tick(struct controller *controller);
/* A term that somebody else claims. 0, or -ERANGE when it is above TERM_OUTSIDE_MAX and not our own. */
int controller_note_term(struct controller *controller, int64_t term, struct baton_error *err);
/* Retained document, QoS 1. Empty text removes. Result of the publish callback. */
int controller_retain(struct controller *controller, enum topic_kind kind, const char *first,
        const char *second, const char *text, size_t length);

/* events.c. app and instance may be NULL. */
void event_emit(struct controller *controller, const char *type, const char *app, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* "payload.rejected": a payload on a topic that has no status topic. limit may be NULL. */
void event_bad_payload(struct controller *controller, const char *topic, const char *path, const char *reason,
        const char *limit);
/* The same for one that a decoder refused; the limit follows from the code: ERANGE, a term; EFBIG, bytes. */
void event_bad_document(struct controller *controller, const char *topic, const struct baton_error *err);
/* JSON payload of a message with the limits of Kconfig; NULL after an event that says what is wrong. */
json_t *payload_json(struct controller *controller, const struct session_message *message);

/* fleet.c */
void fleet_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
void fleet_tick(struct controller *controller);
/* What the node's report says of its placements; again when they were not known yet. */
void fleet_note_running(struct fleet_node *node);
bool fleet_node_ready(const struct fleet_node *node); /* new instances may go there */
/* NULL when the fleet is full or memory short. */
struct fleet_node *fleet_take_node(struct controller *controller, const char *name);
void fleet_forget_empty(struct controller *controller);
/* First instance of the application in the node's report, and how many follow it. NULL and 0 without. */
const struct report_instance *fleet_reported_of(
        const struct fleet_node *node, const char *app, size_t *ret_count);
const struct report_instance *fleet_reported(
        const struct fleet_node *node, const char *id); /* NULL without */
/* "node n1 is offline", "node n1 is silent"; NULL when it is neither. */
const char *fleet_node_trouble(const struct fleet_node *node, char text[static REASON_SIZE]);
void fleet_node_free(struct fleet_node *node);

/* apps.c */
void apps_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
void apps_connected(struct controller *controller);
void apps_synced(struct controller *controller);
void apps_adopted(struct controller *controller); /* placements of a predecessor are known */
struct app_entry *apps_take(
        struct controller *controller, const char *name); /* NULL when full or no memory */
struct app_entry *apps_find(struct controller *controller, const char *name);
void apps_mark_unplaced(struct controller *controller); /* a node changed: try again */
uint32_t app_replicas(const struct app_entry *app, const struct service *service);
int app_set_override(struct app_entry *app, const char *service, uint32_t replicas); /* 0 or -ENOMEM */
bool app_is_gone(struct controller *controller, struct app_entry *app); /* removed and no node reports it */
void app_entry_free(struct app_entry *app);
/* Copy of a payload that is kept until synced; NULL without room for it, which is told when it is a limit. */
char *apps_hold(struct controller *controller, const struct session_message *message);

/* revisions.c */
char *bytes_copy(const char *bytes, size_t length); /* with a NUL behind; NULL when out of memory */
void revision_free(struct revision *revision);
/* Decodes; 0, -EINVAL with the verdict's errors, -ENOMEM. */
int revision_new(const char *app, const char *bytes, size_t length, struct verdict *verdict,
        struct revision **ret_revision);
void revisions_message(struct controller *controller, struct app_entry *app, const char *digest,
        const struct session_message *message);
int revisions_keep(struct app_entry *app, const char *digest); /* as the newest; 0 or -ENOMEM */
void revisions_publish(
        struct controller *controller, struct app_entry *app); /* those that the broker lacks */
void revisions_trim(struct controller *controller, struct app_entry *app, size_t keep);
void revisions_free_replayed(struct app_entry *app);
void revisions_drop_replayed(
        struct controller *controller, struct app_entry *app); /* makes room for others */
/* Bytes of a revision from wherever they are; free() them. 0 or negative errno. */
int revisions_bytes(struct controller *controller, const struct app_entry *app, const char *digest,
        char **ret_bytes, size_t *ret_length);
struct kept_revision *revisions_find(struct app_entry *app, const char *digest); /* NULL without */
void revisions_adopt(
        struct controller *controller, struct app_entry *app); /* what only the broker had kept */

/* placements.c: both directions of the relation at once */
struct placement *placement_find(const struct app_entry *app, const char *service, uint32_t slot);
int placement_add(struct app_entry *app, const struct assignment_ref *ref, struct fleet_node *node,
        const struct service *service); /* 0, -EEXIST, -ENOMEM; service may be NULL */
void placement_remove(struct app_entry *app, size_t index);
void placement_set_service(struct placement *placement, const struct service *service);

/* assign.c */
void assign_replayed(
        struct controller *controller, struct fleet_node *node, const struct session_message *message);
int assign_adopt(struct controller *controller, struct fleet_node *node); /* placements out of node->text */
int assign_set_text(struct fleet_node *node, const char *text, size_t length, struct baton_error *err);
void assign_publish(struct controller *controller, struct fleet_node *node);
void assign_tick(struct controller *controller); /* what others wrote is repaired */

/* rollback.c */
void rollback_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
void rollback_publish(struct controller *controller); /* if the broker holds another watermark */
void rollback_tick(struct controller *controller);
/* The broker does not have the last change of this application that the journal has. */
bool rollback_happened(const struct controller *controller, const struct app_entry *app);
void tombstone_add(struct controller *controller, const struct app_entry *app);
bool tombstone_is_there(const struct controller *controller, const char *name);
void tombstone_take(struct controller *controller, struct app_entry *app); /* it is there again */
void tombstones_tick(struct controller *controller);

/* rollout.c */
void rollout_plan(struct controller *controller, struct app_entry *app);

/* status.c */
void status_show(struct controller *controller, struct app_entry *app);
void status_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
void status_tick(struct controller *controller); /* what others wrote is repaired */
/* A verdict for an application that has no entry. `digest` of the manifest, "" when it is too large. */
void status_show_refusal(struct controller *controller, const char *name, const char *digest,
        const char *reason, const char *limit);

/* commands.c */
void commands_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);

#endif

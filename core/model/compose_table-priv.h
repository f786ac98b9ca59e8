/* SPDX-License-Identifier: Apache-2.0 */
/* How a row of the attribute tables is written. */
#ifndef BATON_MODEL_COMPOSE_TABLE_PRIV_H
#define BATON_MODEL_COMPOSE_TABLE_PRIV_H

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/model/compose-priv.h"

#define SUPPORTED(path_, types_, handler_, help_, ...)                                                       \
	{                                                                                                    \
		.row = { path_, ATTRIBUTE_SUPPORTED, help_ }, .types = types_, .handler = handler_,          \
		__VA_ARGS__                                                                                  \
	}
#define UNSUPPORTED(path_)                                                                                   \
	{                                                                                                    \
		.row = { path_, ATTRIBUTE_UNSUPPORTED, "" }                                                  \
	}
#define IGNORED(path_, help_)                                                                                \
	{                                                                                                    \
		.row = { path_, ATTRIBUTE_IGNORED, help_ }                                                   \
	}

/* The value of a Kconfig symbol inside a help text. */
#define VALUE(symbol) VALUE_(symbol)
#define VALUE_(text)  #text

#define SECTION(name_, prefix_, rows_, ...)                                                                  \
	const struct section name_ = {                                                                       \
		.prefix = prefix_, .attributes = rows_, .n_attributes = array_size(rows_), __VA_ARGS__       \
	}

#define DRAFT(member_) .offset = offsetof(struct service_draft, member_)
#define MOUNT(member_) .offset = offsetof(struct mount_draft, member_)

#endif

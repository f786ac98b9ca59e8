/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of a child between clone and exec. */
#ifndef BATON_BASE_SIGNALS_H
#define BATON_BASE_SIGNALS_H

/* Every signal gets its default action, and none is blocked: execve(2) keeps what is ignored or blocked. */
void signals_reset(void);

#endif

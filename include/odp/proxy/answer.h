// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The last words to a client that is not served: one that speaks HTTP gets a page with the reason,
// any other is closed without a byte.
//
// A close() with unread bytes in the socket is a reset, which may destroy the page on its way. So
// the visit stays for a moment, in its service's list `leaving`: it counts neither as waiting nor
// as a connection, and its state is ODP_CONN_ENDED.

#pragma once

#include "odp/core/http.h"
#include "odp/core/page.h"
#include "odp/proxy/visit.h"

#define ODP_ANSWER_GRACE_USEC  (500 * ODP_USEC_PER_MS) // from accept: the time to say what it is
#define ODP_ANSWER_LINGER_USEC (2 * ODP_USEC_PER_SEC)  // from the page: the time to take it
#define ODP_ANSWER_RETRY_SEC   5 // what a page says where nothing better is known

// Answers a visit that just ended because of `event` (timeout, deny or page). True: it stays to be
// read out, or to say its first bytes, and ends by itself. False: the caller ends it now.
bool odp_answer_begin(struct odp_visit *v, enum odp_conn_event event);

// In mode page: if the visit is held and has turned out to be HTTP, it is answered with the waiting
// page and ended, and its service is started all the same. Nothing otherwise.
void odp_answer_page(struct odp_visit *v);

// A visit that was leaving already when another odpd had it, and is in no list.
void odp_answer_resume(struct odp_visit *v, bool answered, uint64_t until_usec);

// The same by parts, for a client without a visit. What its first bytes are; they are not taken.
enum odp_http odp_answer_look(struct odp_relays *relays, int fd, bool *ret_is_head);
// Sends the page, and ends this side.
void odp_answer_send(int fd, const struct odp_page *page);
// Throws away what the client still sends. True when it has ended.
bool odp_answer_drain(struct odp_relays *relays, const struct odp_io *io, uint32_t *n_drained);

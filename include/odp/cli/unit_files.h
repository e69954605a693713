// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Socket units as files in a directory, with the links by which systemd starts them: at boot, and
// with odpd. The generator and `odp generate` write them; core/units knows their text.

#pragma once

#include "odp/core/units.h"

#define ODP_UNIT_TEXT_MAX (1024 * 1024) // of a file that may be one of ours

// What one service came to.
enum odp_unit_done {
    ODP_UNIT_WRITTEN,
    ODP_UNIT_SAME,    // it was there already
    ODP_UNIT_FOREIGN, // somebody else's file is there: nothing was done
    ODP_UNIT_UNFIT,   // see odp_units_socket()
};

// Writes the service's unit and links it. `may_replace`: also a file that somebody else has made.
// Returns an odp_unit_done or a negative errno; in either case one line in `why` unless all is
// well.
int odp_unit_file_write(const char *directory, const struct odp_config_service *s, bool is_user,
                        bool may_replace, char *why, size_t why_size);

// Removes the unit and its links. Returns 0 or the first negative errno.
int odp_unit_file_remove(const char *directory, const char *unit);

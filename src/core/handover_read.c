// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the text of a handover. What comes in is checked for its form alone: what it means is for
// whoever has the descriptors.

#include <errno.h>
#include <string.h>

#include "handover_internal.h"

// A state that only a later odpd has: the launcher is asked what the service is.
static enum odp_service_state service_state_from_word(const char *word)
{
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++)
        if (strcmp(odp_service_state_to_string((enum odp_service_state)s), word) == 0)
            return (enum odp_service_state)s;
    return ODP_SERVICE_UNKNOWN;
}

static bool conn_state_from_word(const char *word, enum odp_conn_state *ret)
{
    static const enum odp_conn_state carried[] = {ODP_CONN_HELD, ODP_CONN_EARLY, ODP_CONN_RELAYED,
                                                  ODP_CONN_ENDED};

    for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
        *ret = carried[i];
        if (strcmp(odp_handover_conn_state_to_word(carried[i]), word) == 0)
            return true;
    }
    return false;
}

// ---- parts of a line ---------------------------------------------------------------------------

struct span {
    const char *at;
    const char *end;
};

static bool is_word(const struct span *s, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(s->end - s->at) == n && memcmp(s->at, word, n) == 0;
}

// Up to the separator, which is taken too; a last part needs none.
static bool take_part(struct span *s, char separator, struct span *ret)
{
    const char *found = memchr(s->at, separator, (size_t)(s->end - s->at));

    *ret = (struct span){.at = s->at, .end = found ? found : s->end};
    s->at = found ? found + 1 : s->end;
    return ret->at < ret->end;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One byte of a value; -1 where it makes no sense.
static int take_byte(struct span *s)
{
    unsigned char c = (unsigned char)*s->at++;

    if (c != '%')
        return is_plain(c) ? c : -1;
    if (s->end - s->at < 2)
        return -1;
    int high = hex_digit(s->at[0]), low = hex_digit(s->at[1]);
    s->at += 2;
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

static bool take_text(struct span value, char *ret, size_t size)
{
    size_t n = 0;

    while (value.at < value.end) {
        int c = take_byte(&value);
        if (c < 0 || n + 1 >= size)
            return false;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return true;
}

static bool take_number(struct span value, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;

    if (is_word(&value, "-")) {
        *ret = max;
        return true;
    }
    if (value.at == value.end)
        return false;
    for (; value.at < value.end; value.at++) {
        unsigned digit = (unsigned)((unsigned char)*value.at - '0');
        if (digit > 9 || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *ret = n;
    return true;
}

static bool take_flag(struct span value, char *at)
{
    const bool flag = is_word(&value, "yes");

    memcpy(at, &flag, sizeof(flag));
    return flag || is_word(&value, "no");
}

static bool take_wide_or_narrow(const struct field *f, struct span value, char *at)
{
    uint64_t wide;

    if (!take_number(value, greatest(f), &wide))
        return false;
    const uint32_t narrow = (uint32_t)wide;
    memcpy(at, f->size == sizeof(wide) ? (const void *)&wide : (const void *)&narrow, f->size);
    return true;
}

static bool take_value(const struct field *f, struct span value, char *at)
{
    enum odp_service_state service;
    enum odp_conn_state conn;
    char word[2 * ODP_HANDOVER_WORD_MAX];

    switch (f->type) {
    case FIELD_FLAG: return take_flag(value, at);
    case FIELD_NUMBER: return take_wide_or_narrow(f, value, at);
    case FIELD_TEXT: return take_text(value, at, f->size);
    case FIELD_SERVICE_STATE:
        if (!take_text(value, word, sizeof(word)))
            return false;
        service = service_state_from_word(word);
        memcpy(at, &service, sizeof(service));
        return true;
    case FIELD_CONN_STATE:
        if (!take_text(value, word, sizeof(word)) || !conn_state_from_word(word, &conn))
            return false;
        memcpy(at, &conn, sizeof(conn));
        return true;
    }
    return false;
}

static bool take_field(const struct kind *k, struct span part, struct odp_handover_record *r)
{
    struct span key;

    if (!take_part(&part, '=', &key))
        return false;
    for (size_t i = 0; i < k->n_fields; i++)
        if (is_word(&key, k->fields[i].key))
            return take_value(&k->fields[i], part, (char *)r + k->fields[i].offset);
    return true; // a later odpd's
}

static bool take_fields(struct span line, enum odp_handover_kind kind,
                        struct odp_handover_record *ret)
{
    struct span part;

    odp_handover_record_init(ret, kind);
    while (line.at < line.end)
        if (!take_part(&line, ' ', &part) || !take_field(&odp_handover_kinds[kind], part, ret))
            return false;
    return kind != ODP_HANDOVER_SERVICE || odp_name_is_valid(ret->service.name);
}

// A line that was cut short is none.
static bool take_line(struct odp_handover_reader *reader, struct span *ret)
{
    const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

    if (!newline)
        return false;
    *ret = (struct span){.at = reader->at, .end = newline};
    reader->at = newline + 1;
    return true;
}

int odp_handover_open(struct odp_handover_reader *reader, const char *text, size_t n_bytes,
                      unsigned *ret_version)
{
    struct span line, word;
    uint64_t version;

    *reader = (struct odp_handover_reader){.at = text, .end = text + n_bytes};
    if (!take_line(reader, &line) || (size_t)(line.end - line.at) < strlen(FORMAT_WORD) ||
        memcmp(line.at, FORMAT_WORD, strlen(FORMAT_WORD)) != 0)
        return -EBADMSG;
    line.at += strlen(FORMAT_WORD);
    // A later odpd may have more to say on this line.
    if (!take_part(&line, ' ', &word) || !take_number(word, UINT32_MAX - 1, &version))
        return -EBADMSG;
    *ret_version = (unsigned)version;
    return version == ODP_HANDOVER_VERSION ? 0 : -EPROTONOSUPPORT;
}

// True: it gave a record.
static bool read_line(struct odp_handover_reader *reader, struct span line,
                      struct odp_handover_record *ret)
{
    struct span word;

    (void)take_part(&line, ' ', &word);
    for (int kind = 0; kind < ODP_HANDOVER_N_KINDS; kind++) {
        if (!is_word(&word, odp_handover_kinds[kind].word))
            continue;
        if (take_fields(line, (enum odp_handover_kind)kind, ret))
            return true;
        reader->n_damaged++;
        if (kind != ODP_HANDOVER_SERVICE)
            return false;
        odp_handover_record_init(ret, ODP_HANDOVER_SERVICE); // or the next lines were another's
        return true;
    }
    return false;
}

int odp_handover_next(struct odp_handover_reader *reader, struct odp_handover_record *ret)
{
    struct span line;

    while (take_line(reader, &line)) {
        if (is_word(&line, END_WORD))
            return 0;
        if (read_line(reader, line, ret))
            return 1;
    }
    return -ENODATA;
}

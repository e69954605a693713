// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A file's text through inih, without what inih does behind one's back: it tells no line numbers,
// cuts names at 49 and lines at 200 bytes, cuts values at ` ;`, folds indented lines and takes `:`.
// So each line is judged here first, and inih reads a surrogate of it: `[section]` for a header,
// `key=LINE` for a key, an empty line for all else. The value is then looked up by that number.

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define PASSED_OVER "!" // stands for a section that cannot be used

struct line {
    enum { LINE_EMPTY, LINE_SECTION, LINE_KEY } kind;
    const char *name;  // of the section or key
    const char *value; // of the key
};

struct reader {
    struct odp_config_parse *p;
    char *text;         // owned; cut into lines, names and values
    struct line *lines; // owned
    size_t n_lines;
    size_t next; // index of the line that inih gets next
    bool has_crlf;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *trim(char *s, char *end)
{
    while (end > s && is_blank(end[-1]))
        end--;
    *end = '\0';
    return s + strspn(s, " \t");
}

// Names of sections and keys that inih would take for what they are.
static bool is_word(const char *s, const char *also)
{
    size_t n = strlen(s);

    for (const char *c = s; *c; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!is_letter && !(*c >= '0' && *c <= '9') && !strchr(also, *c))
            return false;
    }
    return n > 0 && n <= ODP_CONFIG_WORD_MAX;
}

static bool check_characters(struct odp_config_parse *p, unsigned line, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t n_character = odp_config_character(s + i, n - i);
        unsigned char c = (unsigned char)s[i];
        if (n_character > 0) {
            i += n_character;
            continue;
        }
        if (c == 0)
            odp_config_parse_fault(p, line, "the line holds a NUL byte: the file is no plain text");
        else if (c < 0x80)
            odp_config_parse_fault(
                p, line, "the line holds the control character 0x%02x: remove it", (unsigned)c);
        else
            odp_config_parse_fault(p, line,
                                   "the line is no sound UTF-8 at byte %zu: save the file "
                                   "as UTF-8, or remove it",
                                   i + 1);
        return false;
    }
    return true;
}

static void take_section(struct odp_config_parse *p, unsigned number, struct line *line, char *s)
{
    char *end = strchr(s, ']');

    line->kind = LINE_SECTION;
    line->name = PASSED_OVER;
    p->any_content = true;
    if (!end || end[1]) {
        odp_config_parse_fault(p, number,
                               "a section's line is its name in brackets alone: write "
                               "for instance `[service]`");
        return;
    }
    char *name = trim(s + 1, end);
    if (!is_word(name, "_-. "))
        odp_config_parse_fault(p, number, "[%.64s] is no section's name", name);
    else if (odp_config_on_section(p, number, name))
        line->name = name;
}

static void refuse_separator(struct odp_config_parse *p, unsigned number, const char *s)
{
    size_t n = strcspn(s, " \t:=");

    if (s[n + strspn(s + n, " \t")] == ':')
        odp_config_parse_fault(p, number, "`:` does not part key and value: write `%.*s = ...`",
                               (int)(n < ODP_CONFIG_WORD_MAX ? n : ODP_CONFIG_WORD_MAX), s);
    else
        odp_config_parse_fault(p, number,
                               "the line has no `=`: write `key = value`, or `#` in "
                               "front of a comment");
    odp_config_excuse(p, s, n);
}

static void take_key(struct odp_config_parse *p, unsigned number, struct line *line, char *s,
                     char *end)
{
    char *equals = strchr(s, '=');

    p->any_content = true;
    if (!equals) {
        refuse_separator(p, number, s);
        return;
    }
    char *value = trim(equals + 1, end);
    char *key = trim(s, equals);
    if (strchr(key, ':')) {
        refuse_separator(p, number, key);
    } else if (!key[0]) {
        odp_config_parse_fault(p, number, "nothing stands before the `=`: write `key = value`");
    } else if (!is_word(key, "_-")) {
        odp_config_parse_fault(p, number, "`%.64s` is no key", key);
    } else if (strlen(value) > ODP_CONFIG_VALUE_MAX) {
        odp_config_parse_fault(p, number,
                               "the value of `%s` is %zu bytes long: at most %d are taken", key,
                               strlen(value), ODP_CONFIG_VALUE_MAX);
        odp_config_excuse(p, key, strlen(key));
    } else {
        *line = (struct line){LINE_KEY, key, value};
    }
}

static void take_line(struct reader *r, unsigned number, struct line *line, char *s, size_t n)
{
    struct odp_config_parse *p = r->p;

    if (n > 0 && s[n - 1] == '\r') {
        s[--n] = '\0';
        if (!r->has_crlf)
            odp_config_parse_fault(p, number,
                                   "the line ends in CR LF: convert the file to Unix "
                                   "line endings, for instance with `sed -i 's/\\r$//'`");
        r->has_crlf = true;
    }
    // A file of such lines alone is no text: it is not told which keys are missing.
    if (!check_characters(p, number, s, n)) {
        odp_config_excuse(p, s, strcspn(s, " \t:="));
        return;
    }
    size_t n_blank = strspn(s, " \t");
    if (n_blank == n)
        return;
    if (n_blank > 0) {
        p->any_content = true;
        odp_config_parse_fault(p, number,
                               "the line is indented: sections, keys and comments begin "
                               "in the first column");
        odp_config_excuse(p, s + n_blank, strcspn(s + n_blank, " \t:="));
    } else if (s[0] == '[') {
        trim(s, s + n);
        take_section(p, number, line, s);
    } else if (s[0] != '#' && s[0] != ';') {
        take_key(p, number, line, s, s + n);
    }
}

static int split_lines(struct reader *r, const char *text, size_t n_bytes)
{
    size_t n_lines = 1;

    // Editors on other systems put a byte order mark there; it says nothing.
    if (n_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        n_bytes -= 3;
    }
    for (size_t i = 0; i < n_bytes; i++)
        n_lines += text[i] == '\n';
    r->text = malloc(n_bytes + 1);
    r->lines = calloc(n_lines, sizeof(*r->lines));
    if (!r->text || !r->lines)
        return -ENOMEM;
    if (n_bytes > 0)
        memcpy(r->text, text, n_bytes);
    r->text[n_bytes] = '\0';
    r->n_lines = n_lines;
    char *s = r->text, *end = r->text + n_bytes;
    for (size_t i = 0; i < n_lines; i++) {
        char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((newline ? newline : end) - s);
        s[n] = '\0';
        take_line(r, (unsigned)i + 1, &r->lines[i], s, n);
        s += n + 1;
    }
    return 0;
}

// The fgets() that inih reads from. Every surrogate is far shorter than inih's shortest line.
static char *on_read(char *buf, int size, void *user)
{
    struct reader *r = user;

    if (r->next == r->n_lines || size <= 0)
        return NULL;
    const struct line *line = &r->lines[r->next++];
    switch (line->kind) {
    case LINE_EMPTY: snprintf(buf, (size_t)size, "\n"); break;
    case LINE_SECTION: snprintf(buf, (size_t)size, "[%s]\n", line->name); break;
    case LINE_KEY: snprintf(buf, (size_t)size, "%s=%zu\n", line->name, r->next); break;
    }
    return buf;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    struct reader *r = user;
    unsigned long number = value ? strtoul(value, NULL, 10) : 0;

    if (number == 0 || number > r->n_lines)
        return 1;
    if (!section[0])
        odp_config_parse_fault(r->p, (unsigned)number,
                               "`%s` stands before any section: put it below [service] or where it "
                               "belongs",
                               key);
    else if (strcmp(section, PASSED_OVER) != 0)
        odp_config_on_key(r->p, (unsigned)number, section, key, r->lines[number - 1].value);
    if (!section[0])
        odp_config_excuse(r->p, key, strlen(key));
    return 1;
}

int odp_config_ini_read(struct odp_config_parse *p, const char *text, size_t n_bytes)
{
    struct reader r = {.p = p};
    int result = split_lines(&r, text, n_bytes);

    if (result == 0) {
        int line = ini_parse_stream(on_read, &r, on_pair, &r);
        if (line > 0)
            odp_config_parse_fault(p, (unsigned)line, "the line cannot be read");
        if (line < 0)
            result = -ENOMEM;
    }
    free(r.lines);
    free(r.text);
    return result;
}

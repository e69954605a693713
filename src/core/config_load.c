// SPDX-License-Identifier: LGPL-2.1-or-later
//
// All files together: from their texts to the services that they give.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "odp/core/plan.h"

static int compare_services(const void *a, const void *b)
{
    const struct odp_config_service *const *sa = a, *const *sb = b;
    int r = strcmp((*sa)->name, (*sb)->name);

    return r ? r : strcmp((*sa)->file, (*sb)->file);
}

static int compare_faults(const void *a, const void *b)
{
    const struct odp_config_fault *fa = a, *fb = b;
    int r = strcmp(fa->file, fb->file);

    if (r)
        return r;
    if (fa->line != fb->line)
        return fa->line < fb->line ? -1 : 1;
    return strcmp(fa->message, fb->message);
}

static int compare_strings(const void *a, const void *b)
{
    const char *const *sa = a, *const *sb = b;

    return strcmp(*sa, *sb);
}

static void refuse_file(const struct odp_file *f, struct odp_config_faults *faults)
{
    switch (-f->error) {
    case EISDIR: odp_config_fault_add(faults, f->path, 1, "this is a directory, not a file"); break;
    case EINVAL: odp_config_fault_add(faults, f->path, 1, "this is not a regular file"); break;
    case EFBIG:
        odp_config_fault_add(faults, f->path, 1, "the file is longer than %d bytes",
                             ODP_CONFIG_FILE_MAX);
        break;
    default:
        odp_config_fault_add(faults, f->path, 1, "the file cannot be read: %s",
                             strerror(-f->error));
    }
}

// What a faulty file listens on still tells whose file it was before it was renamed.
static int add_claims(const struct odp_file *f, const struct odp_config_service *s,
                      struct odp_config *c)
{
    for (size_t i = 0; i < s->n_listen; i++) {
        struct odp_config_claim *claims = reallocarray(c->claims, c->n_claims + 1, sizeof(*claims));
        if (!claims)
            return -ENOMEM;
        c->claims = claims;
        struct odp_config_claim *it = &claims[c->n_claims++];
        *it = (struct odp_config_claim){
            .name = strdup(f->stem), .file = strdup(f->path), .address = s->listen[i].address};
        if (!it->name || !it->file)
            return -ENOMEM;
    }
    return 0;
}

static int add_invalid(const struct odp_file *f, const struct odp_config_service *s,
                       struct odp_config *c)
{
    int r = odp_config_strv_add(&c->invalid, strdup(f->stem));

    c->n_invalid += r == 0;
    return r == 0 && s ? add_claims(f, s, c) : r;
}

static int load_file(const struct odp_file *f, struct odp_config *c)
{
    struct odp_config_service *s = NULL;
    int r = ODP_CONFIG_E_FAULTY;

    if (f->error)
        refuse_file(f, &c->faults);
    else
        r = odp_config_service_read(f->stem, f->path, f->text, f->n_bytes, &s, &c->faults);
    if (r == 0) {
        c->services[c->n_services++] = s;
        return 0;
    }
    if (r == ODP_CONFIG_E_FAULTY)
        r = add_invalid(f, s, c);
    odp_config_service_free(s);
    return r;
}

static int add_file_name(struct odp_config *c, const char *stem)
{
    int r = odp_config_strv_add(&c->names, strdup(stem));

    c->n_names += r == 0;
    return r;
}

void odp_config_sort(struct odp_config *c)
{
    if (c->n_invalid > 0)
        qsort(c->invalid, c->n_invalid, sizeof(*c->invalid), compare_strings);
    if (c->faults.n > 0)
        qsort(c->faults.items, c->faults.n, sizeof(*c->faults.items), compare_faults);
}

int odp_config_read(const struct odp_files *files, struct odp_config *ret)
{
    *ret = (struct odp_config){.services = calloc(files->n + 1, sizeof(*ret->services))};
    if (!ret->services)
        return -ENOMEM;
    for (size_t i = 0; i < files->n; i++) {
        int r = load_file(&files->items[i], ret);
        if (r >= 0)
            r = add_file_name(ret, files->items[i].stem);
        if (r < 0)
            return r;
    }
    if (ret->n_names > 0)
        qsort(ret->names, ret->n_names, sizeof(*ret->names), compare_strings);
    qsort(ret->services, ret->n_services, sizeof(*ret->services), compare_services);
    odp_config_sort(ret);
    return ret->faults.failed ? -ENOMEM : 0;
}

int odp_config_load(const struct odp_files *files, struct odp_config *ret)
{
    struct odp_plan plan = {0};
    int r = odp_config_read(files, ret);

    if (r == 0)
        r = odp_plan_make(NULL, 0, ret, &plan);
    for (size_t i = 0; i < plan.n_items && r == 0; i++)
        if (plan.items[i].action == ODP_PLAN_ADD)
            ret->services[ret->n_services++] = odp_plan_take(&plan.items[i]);
    odp_plan_deinit(&plan);
    return r;
}

void odp_config_deinit(struct odp_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_services; i++)
        odp_config_service_free(c->services[i]);
    free(c->services);
    for (size_t i = 0; i < c->n_claims; i++) {
        free(c->claims[i].name);
        free(c->claims[i].file);
    }
    free(c->claims);
    odp_config_strv_free(c->invalid);
    odp_config_strv_free(c->names);
    odp_config_faults_deinit(&c->faults);
    *c = (struct odp_config){0};
}

// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd's life: one libuv loop inside one epoll, one manager, until a signal ends it. SIGHUP
// reloads.

#include "odp/proxy/odpd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/core/message.h"
#include "odp/net/systemd.h"
#include "odp/proxy/control.h"
#include "odp/proxy/handover.h"
#include "odp/proxy/limits.h"
#include "odp/proxy/reload.h"
#include "odp/proxy/vigil.h"

struct odpd {
    uv_loop_t uv;
    struct odp_io_loop *loop;
    struct odp_manager *manager;
    struct odp_control *control;
    struct odp_vigil *vigil;
    uv_signal_t signals[3];
};

static void reload(struct odpd *d)
{
    struct odp_reload done;
    char why[ODP_PATH_MAX + ODP_REASON_MAX];

    (void)odp_manager_reload(d->manager, &done, why, sizeof(why)); // it is in the log
    odp_reload_deinit(&done);
    odp_control_resume(d->control);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct odpd *d = handle->data;

    odp_io_kick(d->loop);
    if (signum == SIGHUP) {
        reload(d);
        return;
    }
    odp_log(ODP_LOG_NOTICE, NULL, "%s: ending", strsignal(signum));
    odp_io_loop_stop(d->loop);
}

static void watch_signals(struct odpd *d)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&d->uv, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
}

static int start(struct odpd *d, const struct odp_odpd_options *options)
{
    char why[512];
    int r = odp_io_loop_new(&d->uv, &d->loop);

    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot start: %s", strerror(-r));
        return r;
    }
    watch_signals(d);
    r = odp_manager_new(d->loop, &options->paths, options->system, &d->manager);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot start: %s", strerror(-r));
        return r;
    }
    r = odp_control_new(d->manager, &d->control, why, sizeof(why));
    d->manager->control = d->control;
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "%s", why);
        return r;
    }
    r = odp_manager_begin(d->manager); // after the socket: it shows that no other odpd runs here
    if (r == 0)
        r = odp_vigil_new(d->manager, &d->vigil);
    d->manager->vigil = d->vigil;
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot start: %s", strerror(-r));
        return r;
    }
    odp_vigil_ready(d->vigil);
    return 0;
}

// Before anything that takes time: the watchdog would not wait for it.
static void take_leave(struct odpd *d)
{
    if (d->manager)
        d->manager->vigil = NULL;
    odp_vigil_leave(d->vigil);
}

static void finish(struct odpd *d)
{
    odp_vigil_free(d->vigil);
    if (d->manager)
        d->manager->control = NULL;
    odp_control_free(d->control);
    odp_manager_free(d->manager);
    if (d->loop) {
        for (size_t i = 0; i < sizeof(d->signals) / sizeof(d->signals[0]); i++)
            uv_close((uv_handle_t *)&d->signals[i], NULL);
        uv_run(&d->uv, UV_RUN_NOWAIT);
    }
    odp_io_loop_free(d->loop);
    uv_loop_close(&d->uv);
}

int odp_odpd_run(const struct odp_odpd_options *options)
{
    char logs[ODP_PATH_MAX + sizeof(ODP_LOGS_DIR) + 1];
    struct odpd d = {0};

    odp_log_init("odpd", options->log_level);
    odp_log_fields_on(ODP_FIELD_SERVICE);
    odp_limits_raise();
    snprintf(logs, sizeof(logs), "%s/" ODP_LOGS_DIR, options->paths.runtime);
    int r = odp_mkdir_p(options->paths.runtime, 0755);
    odp_log_keep(logs);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot make %s: %s", options->paths.runtime, strerror(-r));
        return EXIT_FAILURE;
    }
    r = uv_loop_init(&d.uv);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot start: %s", strerror(-r));
        return EXIT_FAILURE;
    }
    r = start(&d, options);
    if (r == 0)
        r = odp_io_loop_run(d.loop);
    take_leave(&d);
    if (r == 0)
        odp_handover_leave(d.manager);
    finish(&d);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

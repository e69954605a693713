# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are units which run a container in their foreground, with real engines.

import engines


class TestEngines(engines.EngineCase):
    def wake_and_sleep(self, engine):
        e = self.engine(engine)
        files = {"wiki": self.file("wiki", units=[f"{engine}-wiki.service"], idle="500ms",
                                   ready="probe = http")}
        unit = self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"], engine=engine)
        d = self.odpd(files)
        self.assertEqual(d.state("wiki"), "stopped")
        with self.connect(self.port("wiki")):  # which keeps it awake
            self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
            self.assertTrue(e.is_running("wiki"))
        d.await_state("wiki", "stopped")
        self.assertEqual(self.machine.show(unit, "ActiveState"), "inactive")
        self.assertFalse(e.is_running("wiki"))
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))

    def test_docker_wakes_and_sleeps(self):
        self.wake_and_sleep("docker")

    def test_podman_wakes_and_sleeps(self):
        self.wake_and_sleep("podman")

    def test_containers_end_with_their_test(self):
        e = self.engine("docker")
        e.run("left")
        self.assertTrue(e.is_running("left"))
        e.remove_all()
        self.assertFalse(e.is_running("left"))
        self.assertEqual(e.inspect("left", "{{.Id}}"), "")

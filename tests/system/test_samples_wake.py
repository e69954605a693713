# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The worked files of configs/containers for what takes several containers, with a real dockerd and
# docker-compose. The images are stand-ins of the same names: busybox that serves what the probes
# ask for, on the same port. Only the windows are shorter. And what docs/CONTAINERS.md
# says to type.

import json
import os
import re

import engines
import installed
from harness import read_file, until

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs",
                       "containers")
TREE, TAR = "/tmp/stand-in", "/tmp/stand-in.tar"
DOC = os.path.join(SAMPLES, "..", "..", "docs", "CONTAINERS.md")
PORTS = {"wiki": 80, "mealie": 9000, "immich-server": 2283, "tubearchivist": 8000,
         "paperless-ngx": 8000}
TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
ENV = "".join(f"{key}=x\n" for key in ("DB_PASSWORD", "SECRET_KEY", "TA_PASSWORD",
                                       "ELASTIC_PASSWORD"))


class ImageCase(engines.EngineCase):
    def setUp(self):
        super().setUp()
        self.docker = self.engine("docker")

    # What stands in for what comes from registries

    def make_tree(self):
        if os.path.exists(self.machine.path(TAR)):
            return
        links = "".join(f"ln -s busybox {TREE}/bin/{a};" for a in engines.APPLETS)
        for page in ("index.html", "api/app/about", "api/server/ping", "api/health/index.html"):
            self.machine.write(f"{TREE}/www/{page}", engines.PAGE)
        for program in ("pg_isready", "redis-cli"):
            self.machine.write(f"{TREE}/bin/{program}", "#!/bin/sh\nexit 0\n", 0o755)
        self.machine.run("sh", "-ec", f"cp /usr/bin/busybox {TREE}/bin/; {links}"
                         f"mkdir -p {TREE}/tmp; tar -C {TREE} -cf {TAR} .")

    def make_image(self, name):
        self.make_tree()
        port = PORTS.get(name.rpartition("/")[2].partition(":")[0])
        serves = f"httpd -f -p {port} -h /www" if port else "sleep 1000000"
        command = json.dumps(["/bin/sh", "-c", f"trap 'exit 0' TERM; {serves} & wait"])
        exposes = ["--change", f"EXPOSE {port}"] if port else []
        self.docker.command("import", "--change", f"CMD {command}", *exposes, TAR, name)


class TestSamples(ImageCase):
    def setUp(self):
        super().setUp()
        if not os.path.exists(self.machine.path("/usr/bin/docker-compose")):
            self.skipTest("docker-compose is not installed")
        self.addCleanup(self.docker.command, "network", "prune", "--force")

    def begin(self, name):
        """odpd with the sample, its project's file in place, and nothing of the project made."""
        text = read_file(os.path.join(SAMPLES, f"{name}.ini"))
        file = read_file(os.path.join(SAMPLES, name, "compose.yaml"))
        for mount in re.findall(r"^mount = (.*)$", text, re.M):
            self.machine.run("mkdir", "-p", mount)
            self.machine.run("mount", "-t", "tmpfs", "disk", mount)
            self.addCleanup(self.machine.run, "umount", "--lazy", mount)
        self.machine.write(f"/srv/{name}/compose.yaml", file)
        self.machine.write(f"/srv/{name}/.env", ENV, 0o600)
        self.project = self.to_json(name)
        for service in self.project["services"].values():
            self.make_image(service["image"])
        text = re.sub(r"(\[idle\]\ntimeout = ).*", r"\g<1>500ms", text)
        self.port = int(re.search(r"^listen = (\d+)$", text, re.M)[1])
        self.path = re.search(r"^path = (.*)$", text, re.M)[1]
        self.name = name
        return self.odpd({name: text})

    def to_json(self, name):
        done = self.machine.run("sh", "-c", f"/usr/bin/python3 -c '{TO_JSON}' "
                                f"</srv/{name}/compose.yaml")
        return json.loads(done.stdout)

    def container_of(self, service):
        filters = [f"label=com.docker.compose.{key}={value}" for key, value in
                   (("project", self.name), ("service", service))]
        return self.docker.command("ps", "--all", "--quiet",
                                   *(f"--filter={f}" for f in filters))

    def moments(self, what):
        """When each service's container was started, or has finished."""
        return {s: self.docker.inspect(self.container_of(s), f"{{{{.State.{what}}}}}")
                for s in self.project["services"]}

    def states(self):
        return {self.docker.inspect(self.container_of(s), "{{.State.Running}}")
                for s in self.project["services"]}

    def visit(self):
        """As a browser does: a page that says so is loaded again. Returns another connection, by
        which it stays awake."""
        kept = self.connect(self.port)

        def ask():
            status, body = self.get(self.port, self.path)
            self.assertIn(status, (200, 503))
            return body if status == 200 else None
        self.assertEqual(until(ask, f"{self.name} answers"), engines.PAGE)
        self.assertEqual(self.states(), {"true"})
        return kept

    def assert_sleeps(self, d, kept):
        kept.close()
        d.await_state(self.name, "stopped")
        self.assertEqual(self.states(), {"false"})

    def depends(self, service):
        """As [(name, condition)], in either way of writing it."""
        depends = self.project["services"][service].get("depends_on", {})
        if isinstance(depends, list):
            return [(name, "service_started") for name in depends]
        return [(name, how["condition"]) for name, how in depends.items()]

    def assert_in_order(self):
        started, finished = self.moments("StartedAt"), self.moments("FinishedAt")
        for service in self.project["services"]:
            for other, _ in self.depends(service):
                self.assertLess(started[other], started[service])
                self.assertLess(finished[service], finished[other])

    # The samples

    def check_made_by_its_file(self, name):
        d = self.begin(name)
        self.assertEqual(self.docker.command("ps", "--all", "--quiet"), "")
        kept = self.visit()
        started = self.moments("StartedAt")
        for service in self.project["services"]:
            for other, _ in self.depends(service):
                self.assertLess(started[other], started[service])
        self.assert_sleeps(d, kept)
        ids = [self.container_of(s) for s in self.project["services"]]
        self.visit()
        self.assertEqual([self.container_of(s) for s in self.project["services"]], ids)

    def make_v2(self):
        """The containers as docker compose (v2) makes them, with its labels, but for the disks."""
        for name, service in self.project["services"].items():
            depends = ",".join(f"{n}:{how}:false" for n, how in self.depends(name))
            labels = {"project": self.name, "service": name, "container-number": "1",
                      "oneoff": "False", "depends_on": depends,
                      "project.config_files": f"/srv/{self.name}/compose.yaml",
                      "project.working_dir": f"/srv/{self.name}", "version": "2.40.0"}
            options = [f"--label=com.docker.compose.{k}={v}" for k, v in labels.items()]
            if "healthcheck" in service:
                test = service["healthcheck"]["test"]
                options += ["--health-cmd", test if isinstance(test, str) else " ".join(test[1:]),
                            f"--health-interval={service['healthcheck']['interval']}"]
            self.docker.command("create", "--name", service["container_name"], *options,
                                service["image"])

    def check_by_labels(self, name):
        d = self.begin(name)
        self.make_v2()
        for _ in range(2):
            self.assert_sleeps(d, self.visit())
            self.assert_in_order()

    def test_mealie(self):
        self.check_made_by_its_file("mealie")

    def test_immich(self):
        self.check_by_labels("immich")

    def test_tubearchivist(self):
        self.check_by_labels("tubearchivist")


class TestDocument(installed.InstalledCase, ImageCase):
    def test_what_it_says(self):
        """Its first container, and what a prune leaves."""
        text = read_file(DOC)
        make, file = re.search(r"(?m)^    (docker create .*)\n\n    # /etc/odp/services/wiki.ini\n"
                               r"((?:    .*\n|\n)+)", text).groups()
        keep, prune = re.search(r"(?m)^    (docker create --label .*)\n    (docker system prune .*)",
                                text).groups()
        self.make_image("example/wiki")
        self.machine.systemctl("start", "odp.target")
        self.machine.run("sh", "-ec", make)
        self.put("wiki", file)
        self.odp("enable", "wiki")
        self.assertEqual(self.get(8080), (200, engines.PAGE))
        self.odp("stop", "wiki")
        self.machine.run("sh", "-ec", keep.replace("...", "--name memo example/wiki"))
        self.machine.run("sh", "-ec", f"yes | {prune}")
        self.assertEqual([self.docker.inspect(c, "{{.Name}}") for c in ("wiki", "memo")],
                         ["", "/memo"])

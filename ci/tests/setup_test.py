"""ci/setup.sh: quiet when nothing is missing, installs all that is missing in one call, refuses
whole without apt-get or root. apt-get and dpkg-query are stand-ins in a folder that replaces
PATH."""
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

CI = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = [line.split() for line in (CI / "packages.txt").read_text().splitlines()
            if line and not line.startswith("#")]
BUILD = [name for kind, name in PACKAGES if kind == "build"]
LINT = [name for kind, name in PACKAGES if kind == "lint"]
SANITIZE = [name for kind, name in PACKAGES if kind == "sanitize"]
TOOLS = ("bash", "awk", "grep", "cat", "mktemp", "rm", "env", "dirname", "tail")


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for tool in TOOLS:
            os.symlink(shutil.which(tool), self.folder / tool)
        self.log = self.folder / "apt.log"
        self.tool("id", "echo 0")

    def tool(self, name, body):
        file = self.folder / name
        file.write_text(f"#!{shutil.which('bash')}\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def debian(self, installed, apt_status=0):
        (self.folder / "installed").write_text("".join(f"installed {p}\n" for p in installed))
        self.tool("dpkg-query", f"cat {self.folder}/installed; exit 1")
        self.tool("apt-get", f'echo "$*" >>{self.log}; exit {apt_status}')

    def run_setup(self, *arguments):
        return subprocess.run([shutil.which("bash"), CI / "setup.sh", *arguments], text=True,
                              env={"PATH": str(self.folder)}, capture_output=True, check=False)

    def calls(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def test_nothing_missing_is_silent_and_calls_nothing(self):
        self.debian(BUILD)
        result = self.run_setup()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(self.calls(), [])

    def test_missing_packages_are_installed_in_one_call_without_recommends(self):
        self.debian([p for p in BUILD if p not in ("cmake", "libfmt-dev")])
        self.assertEqual(self.run_setup().returncode, 0)
        installs = [c for c in self.calls() if "install" in c]
        self.assertEqual(len(installs), 1)
        self.assertIn("--no-install-recommends", installs[0])
        self.assertTrue(installs[0].endswith(" cmake libfmt-dev"), installs[0])

    def test_lint_adds_its_packages(self):
        self.debian(BUILD)
        self.assertEqual(self.run_setup("--lint").returncode, 0)
        self.assertTrue(self.calls()[-1].endswith(" ".join(LINT)), self.calls())

    def test_sanitize_adds_its_packages_beside_those_of_the_lint(self):
        self.debian(BUILD + LINT)
        self.assertEqual(self.run_setup("--lint", "--sanitize").returncode, 0)
        self.assertTrue(self.calls()[-1].endswith(" ".join(SANITIZE)), self.calls())

    def test_without_apt_every_missing_package_is_named(self):
        result = self.run_setup()
        self.assertEqual(result.returncode, 4)
        for package in BUILD:
            self.assertIn(f" {package}", result.stderr)

    def test_without_root_nothing_is_installed(self):
        self.debian([p for p in BUILD if p != "cmake"])
        self.tool("id", "echo 1000")
        result = self.run_setup()
        self.assertEqual(result.returncode, 4)
        self.assertIn("needs root", result.stderr)
        self.assertIn("\n  cmake\n", result.stderr)
        self.assertEqual(self.calls(), [])

    def test_a_failed_install_is_status_four_and_shows_why(self):
        self.debian([p for p in BUILD if p != "cmake"], apt_status=100)
        result = self.run_setup()
        self.assertEqual(result.returncode, 4)
        self.assertIn("apt-get install failed", result.stderr)

    def test_an_unknown_argument_is_refused(self):
        self.assertEqual(self.run_setup("--all").returncode, 4)


class Packages(unittest.TestCase):
    def test_the_list_is_well_formed(self):
        for row in PACKAGES:
            self.assertEqual(len(row), 2, row)
            self.assertIn(row[0], ("build", "lint", "sanitize", "fuzz"))
        names = [name for _, name in PACKAGES]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()

"""A SLURM of our own for a test: munge, a controller and two nodes on this machine, in a folder of its own.

Everything runs in a PID namespace of its own, so that daemons and jobs end with the test, however that ends."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

import program
from program import skip

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
NODES = ("n1", "n2")
START_SECONDS = 30 * program.TIMEOUT // 60

CONFIG = """\
ClusterName=nnmpi
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
InactiveLimit=0
KillWait=30
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmctldPort={ports[0]}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4
PartitionName=p Nodes=n1,n2 Default=YES GraceTime=20
PartitionName=urgent Nodes=n1,n2 PriorityTier=2
"""


def enter_namespace():
    """Starts this script once more, inside a PID namespace; skips where SLURM cannot run."""
    if "NNMPI_SLURM_INSIDE" in os.environ:
        return
    if os.getuid() != 0:
        skip("the daemons of SLURM are started by root only")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for name in PROGRAMS:
        if shutil.which(name) is None:
            skip(f"no {name} here (Debian packages slurm-wlm and munge)")
    inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    trial = subprocess.run([*inside, "true"], stderr=subprocess.PIPE, text=True, check=False)
    if trial.returncode != 0:
        skip(f"no process namespace can be made here: {trial.stderr.strip()}")
    os.environ["NNMPI_SLURM_INSIDE"] = "1"
    os.execvp(inside[0], [*inside, sys.executable, *sys.argv])


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """Started by create(), ended by end()."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        self.environment = {**program.environment(), "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self):
        (self.folder / "state").mkdir()
        for node in NODES:
            (self.folder / f"spool.{node}").mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        os.chmod(self.folder / "munge.key", 0o600)
        config = CONFIG.format(host=socket.gethostname(), folder=self.folder, ports=free_ports(3))
        (self.folder / "slurm.conf").write_text(config, encoding="utf-8")
        (self.folder / "cgroup.conf").write_text(self.cgroup_config(), encoding="utf-8")
        self.daemon("munged", "--force", "--foreground", f"--socket={self.folder}/munge.socket",
                    f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munge.pid",
                    f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed")
        self.wait_for(lambda: (self.folder / "munge.socket").exists(), "munged", START_SECONDS)
        self.daemon("slurmctld", "-D")
        for node in NODES:
            self.daemon("slurmd", "-D", "-N", node)
        self.wait_for(lambda: self.ask("sinfo", "-h", "-N", "-p", "p", "-o", "%T").split() == ["idle"] * len(NODES), "SLURM", START_SECONDS)

    def cgroup_config(self):
        version = subprocess.run(["slurmd", "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout
        major = int(re.search(r"(\d+)\.", version)[1])
        return "CgroupPlugin=disabled\n" if major >= 23 else ""

    def daemon(self, *words):
        with open(self.folder / f"{words[0]}.out", "a", encoding="utf-8") as log:
            self.daemons.append((words[0], subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                                            stderr=log, start_new_session=True)))

    def end(self):
        for _, process in reversed(self.daemons):
            process.kill()
        for _, process in self.daemons:
            process.wait()

    def logs(self):
        """What the daemons wrote last, for a message."""
        text = ""
        for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")]):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            text += f"--- {path.name}\n" + "\n".join(lines[-15:]) + "\n"
        return text

    def ask(self, *words):
        """Standard output of a SLURM command; empty where it fails."""
        done = subprocess.run(words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def order(self, *words, folder=None, **more):
        """A SLURM command that must succeed; its standard output."""
        done = subprocess.run([str(word) for word in words], cwd=folder, env={**self.environment, **more}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.logs()}")
        return done.stdout.strip()

    def wait_for(self, condition, what, seconds):
        end = time.monotonic() + seconds
        while not condition():
            for name, process in self.daemons:
                if process.poll() is not None:
                    raise AssertionError(f"{name} has ended with {process.returncode}\n{self.logs()}")
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}\n{self.ask('squeue')}\n{self.logs()}")
            time.sleep(0.1)

    # ---- jobs ----

    def job(self, number, field):
        """A field of `scontrol show job`, such as JobState."""
        found = re.search(rf"\b{field}=(\S*)", self.ask("scontrol", "show", "job", str(number)))
        return found[1] if found else ""

    def wait_state(self, number, *states, seconds=program.TIMEOUT):
        self.wait_for(lambda: self.job(number, "JobState") in states, f"job {number} to be {' or '.join(states)}", seconds)
        return self.job(number, "JobState")

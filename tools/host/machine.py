# SPDX-License-Identifier: GPL-2.0
"""One emulated host: its boot image, its configuration, its process, its words.

A Machine is started with an image and a list of steps; events() yields what the
agent inside reports, until the host is off or has to be given up.
"""

import os
import selectors
import shutil
import subprocess
import sys
import time

import paths

# Ticks of the emulated clock to a second: one tick is one instruction.
HERTZ = 200000000

# cryptomgr.notests: the crypto self-tests would be half of the boot.
# slab_nomerge: a cache the module destroys with objects in it is its own, so the
# kernel complains.  oops=panic: nothing is tested on a kernel that is hurt.
# printk.devkmsg: without it the agent's marks are dropped where steps are short.
KERNEL_ARGS = ("console=ttyS0,115200 quiet tsc=reliable tsc_early_khz=%d idle=halt "
               "mitigations=off nokaslr log_buf_len=1M oops=panic cryptomgr.notests=1 slab_nomerge "
               "printk.devkmsg=on rcupdate.rcu_cpu_stall_timeout=%d"
               % (HERTZ // 1000, 60 if paths.DEBUG else 15))
# Reports of each place, not only of the first.
if paths.DEBUG:
    KERNEL_ARGS += " kasan_multi_shot watchdog_thresh=30"

ISOLINUX = """DEFAULT host
PROMPT 0
TIMEOUT 1
LABEL host
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND %s
"""

BOCHSRC = """cpu: model=%(model)s, count=%(cpus)d, ips=%(hertz)d%(features)s
cpu: reset_on_triple_fault=0
memory: guest=%(memory)d, host=%(memory)d
romimage: file=%(bios)s
vgaromimage: file=%(parts)s/vgabios.bin
ata0-master: type=cdrom, path=%(out)s/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=%(console)s
port_e9_hack: enabled=1
display_library: nogui
clock: sync=none
log: %(out)s/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""

# The emulated second takes a third of a second on an idle core, and several
# where the machine is busy; the agent reports one tick in each.
SILENCE = 180 if paths.DEBUG else 60
BOOT_LIMIT = 240 * (3 if paths.DEBUG else 1)

# What the BIOS does to IA32_FEATURE_CONTROL: mov $0x3a,%ecx; rdmsr;
# or $5,%eax; wrmsr.  Bit 0 locks, bit 2 allows VMXON.
BIOS_ALLOWS = [(b"\xb9\x3a\x00\x00\x00\x0f\x32" + prefix + b"\x83\xc8\x05\x0f\x30")
               for prefix in (b"", b"\x66")]


class Trouble(Exception):
    """Something about the emulated host itself; the message says what."""


def run_program(main):
    """End the process as main() says; Ctrl-C does not wait for its threads."""
    try:
        sys.exit(main())
    except Trouble as e:
        sys.exit("lodge: %s" % e)
    except KeyboardInterrupt:
        os._exit(130)


def bios_without_vmx(source, target):
    """The BIOS as a firmware that has VT-x switched off: it locks the MSR
    without the bit that allows VMXON, on the first CPU and on the others."""
    with open(source, "rb") as f:
        data = f.read()
    for code in BIOS_ALLOWS:
        if data.count(code) != 1:
            raise Trouble("the BIOS image is not the one this harness knows how to change")
        data = data.replace(code, code[:-3] + b"\x01" + code[-2:])
    with open(target, "wb") as f:
        f.write(data)


class Machine:
    """See the module's text.  `out` is the folder for everything it leaves."""

    def __init__(self, out, cpus=1, memory=1024, model="corei7_skylake_x", features="",
                 firmware="", args="", console=None, keep=False):
        self.out = out
        self.cpus = cpus
        self.memory = memory
        self.model = model
        self.features = features
        self.firmware = firmware
        self.args = args
        self.console = console
        self.keep = keep
        self.process = None
        self.begin_tsc = 0
        self.started = 0
        self.death = None       # why the host was given up, or None
        os.makedirs(out, exist_ok=True)

    def path(self, name):
        return os.path.join(self.out, name)

    def initrd(self):
        """Where the image is to be written before start()."""
        os.makedirs(self.path("iso/isolinux"), exist_ok=True)
        return self.path("iso/initrd")

    def _write_iso(self):
        parts = os.path.join(paths.BUILD, "parts")
        for name in ("isolinux.bin", "ldlinux.c32"):
            shutil.copy(os.path.join(parts, name), self.path("iso/isolinux"))
        kernel = self.path("iso/vmlinuz")
        if os.path.exists(kernel):
            os.unlink(kernel)
        shutil.copy(os.path.join(paths.kernel_dir(), "vmlinuz"), kernel)
        with open(self.path("iso/isolinux/isolinux.cfg"), "w", encoding="ascii") as f:
            f.write(ISOLINUX % (KERNEL_ARGS + " " + self.args).strip())
        done = subprocess.run(
            ["xorriso", "-as", "mkisofs", "-quiet", "-o", self.path("boot.iso"),
             "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
             "-boot-load-size", "4", "-boot-info-table", self.path("iso")],
            capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble("xorriso: " + done.stderr)
        shutil.rmtree(self.path("iso"))

    def _write_config(self):
        parts = os.path.join(paths.BUILD, "parts")
        bios = os.path.join(parts, "BIOS-bochs-latest")
        if self.firmware == "novmx":
            bios_without_vmx(bios, self.path("bios"))
            bios = self.path("bios")
        elif self.firmware:
            raise Trouble("firmware=%s: only novmx is known" % self.firmware)
        features = ", " + self.features if self.features else ""
        console = ("term, dev=%s" % self.console if self.console
                   else "file, dev=%s" % self.path("console.log"))
        with open(self.path("bochsrc"), "w", encoding="ascii") as f:
            f.write(BOCHSRC % {
                "model": self.model, "cpus": self.cpus, "hertz": HERTZ,
                "features": features, "memory": self.memory, "bios": bios,
                "parts": parts, "out": self.out, "console": console})

    def start(self, slot):
        """Starts the emulator in a slot the caller holds."""
        self._write_iso()
        self._write_config()
        self.started = time.time()
        self.process = subprocess.Popen(
            # The emulator ends when the runner does, however that ended.
            ["setpriv", "--pdeathsig", "KILL",
             os.path.join(paths.BUILD, "bochs"), "-q", "-f", self.path("bochsrc")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=open(self.path("bochs.err"), "wb"), cwd=self.out,
            pass_fds=[slot.fd], start_new_session=True)

    def stop(self):
        """Ends the emulator if it still runs, and tidies its folder."""
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        for name in () if self.keep else ("boot.iso", "bios"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def drop_emulator_log(self):
        """Megabytes of guests' faults, of use only where something failed."""
        os.unlink(self.path("bochs.log"))

    def _give_up(self, why):
        self.death = why
        self.process.kill()

    def _console_panicked(self):
        try:
            with open(self.path("console.log"), "rb") as f:
                f.seek(0, os.SEEK_END)
                f.seek(max(0, f.tell() - 4096))
                return b"end Kernel panic" in f.read()
        except FileNotFoundError:
            return False

    def events(self, limit):
        """Yields the agent's lines.  Ends when the host is off; sets .death if
        it panicked, fell silent, or outlived `limit` seconds."""
        last = time.time()
        end = last + limit
        heard = done = False
        pending = b""
        raw = self.process.stdout.fileno()
        os.set_blocking(raw, False)
        sel = selectors.DefaultSelector()
        sel.register(raw, selectors.EVENT_READ)
        report = open(self.path("report.log"), "wb")
        while True:
            if sel.select(timeout=1):
                data = os.read(raw, 65536)
                if not data:
                    break
                last = time.time()
                report.write(data)
                report.flush()
                lines = (pending + data).split(b"\n")
                pending = lines.pop()
                for line in lines:
                    text = line.decode("utf-8", "replace")
                    heard = heard or text == "@hello"
                    done = done or text == "@done"
                    if heard:
                        yield text
            now = time.time()
            if self.death:
                continue        # killed: its output ends in a moment
            if now > end:
                self._give_up("the boot took longer than its limit of %d s" % limit)
            elif now - last < 1:
                continue
            elif done:
                # Bochs ends with the host; give the power-off its time.
                if now - last > SILENCE:
                    self._give_up("the host did not switch itself off")
            elif self._console_panicked():
                self._give_up("the host panicked")
            elif not heard and now - last > BOOT_LIMIT:
                self._give_up("the host did not boot within %d s" % BOOT_LIMIT)
            elif heard and now - last > SILENCE:
                self._give_up("the host hangs: nothing from it for %d s" % SILENCE)
        report.close()
        status = self.process.wait()
        if not self.death and not done and status < 0:
            self.death = "the emulator was ended by signal %d" % -status
        elif not self.death and not done:
            self.death = ("the host went down without being switched off" if heard
                          else "the host never came up: " + self.last_words())

    def last_words(self):
        """What the emulator or the console said last, for a host that failed."""
        for name in ("console.log", "bochs.err", "bochs.log"):
            try:
                with open(self.path(name), "rb") as f:
                    lines = f.read().decode("utf-8", "replace").strip().splitlines()
            except FileNotFoundError:
                continue
            if lines:
                return "%s ends with: %s" % (self.path(name), lines[-1])
        return "neither console nor emulator said anything"

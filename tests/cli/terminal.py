#!/usr/bin/env python3
"""The bar: on a terminal only, as wide as that, gone at the end; also behind a launcher, which hides the terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unittest

import program
from program import command, environment

CONFIG = """
run: {name: xor}
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}}
model: {hidden: [4], activation: tanh}
train: {loss: cross_entropy, epochs: 1000000, batch_size: 4, optimizer: {name: sgd, lr: 0.1}}
checkpoint: {every_epochs: 0, best: false}
"""


def on_terminal(words, folder, columns, bars, **more):
    """Output of a program on a terminal of this width, until it ends or has drawn so many bars and is told to stop."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(words, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL, stdout=slave,
                          stderr=slave) as running:
        os.close(slave)
        seen, start, asked = b"", time.monotonic(), False
        while True:
            now = time.monotonic() - start
            if not asked and len(drawn(seen.decode(errors="ignore"))) >= bars:
                running.send_signal(10)  # SIGUSR1, which mpirun passes on
                asked = True
            if now > program.TIMEOUT:
                running.kill()
                break
            if select.select([master], [], [], 0.05)[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                seen += piece
        code = running.wait()
    os.close(master)
    return code, seen.decode()


def drawn(text):
    """All bars that were drawn. On a terminal a line ends with \\r\\n; a bar begins with a lone \\r."""
    return [piece.split("\x1b")[0] for piece in re.split(r"\r(?!\n)", text) if re.match(r"epoch +\d+/\d+ .*%", piece)]


class Bar(program.TestCase):
    def setUp(self):
        super().setUp()
        (self.folder / "xor.yaml").write_text(CONFIG, encoding="utf-8")

    def check(self, ranks, columns, locale, full):
        words = command("xor.yaml", "--set", f"run.name=r{ranks}c{columns}", ranks=ranks)
        code, text = on_terminal(words, self.folder, columns, 8, LC_ALL=locale)
        self.assertEqual(code, 85, text)
        bars = drawn(text)
        self.assertGreaterEqual(len(bars), 8, text)
        for bar in bars:
            self.assertLess(len(bar), columns, bar)
        self.assertTrue(any(full in bar for bar in bars) or columns < 60, bars)
        self.assertIn("\r\x1b[K", text.rsplit("%", 1)[1])  # the last bar was taken away

    def test_alone_on_a_wide_terminal(self):
        self.check(0, 120, "C.UTF-8", "░")

    def test_alone_without_utf8(self):
        self.check(0, 100, "C", "[-")

    def test_alone_on_a_narrow_terminal(self):
        self.check(0, 40, "C", "")

    def test_behind_a_launcher(self):
        self.check(2, 100, "C", "[-")

    def test_not_behind_a_launcher_that_writes_into_a_file(self):
        for mode, bars in [("auto", False), ("bar", True), ("lines", False)]:
            with self.subTest(mode=mode):
                result = self.run_ok("xor.yaml", "--set", "train.epochs=500", "--set", f"run.progress={mode}",
                                     "--set", f"run.name={mode}", ranks=2)
                self.assertEqual("%" in result.out, bars, result)

    def test_progress_off_prints_no_epochs(self):
        result = self.run_ok("xor.yaml", "--set", "train.epochs=20", "--set", "run.progress=off")
        self.assertNotRegex(result.out, r"(?m)^epoch")
        self.assertIn("finished after 20 epochs", result.out)

    def test_quiet_draws_nothing(self):
        words = command("xor.yaml", "--quiet", "--set", "train.epochs=300")
        code, text = on_terminal(words, self.folder, 100, 1)
        self.assertEqual((code, text), (0, ""))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The runner of the guides finds what is wrong in a guide."""

import unittest

from guide import Command, first_difference, line_matches, steps_of

GUIDE = """
# A title

```yaml
# own.yaml
run: {name: own}
```

## First

```console
$ one --with \\
    two lines
a 1.50
…
b
$ two
```

```c
int not_run;
```

## Second

```sh
three   # without output
```
"""


class Lines(unittest.TestCase):
    def test_numbers_with_a_point_may_differ_in_their_last_place(self):
        for shown, printed in [("loss 0.1850", "loss 0.1851"), ("x 3.127e-12", "x 3.128e-12"), ("w  [ 1.03 -1 ]", "w [ 1.0299 -1 ]"),
                               ("-0.02999999", "-0.03"), ("12345.678", "12345.7")]:
            self.assertTrue(line_matches(shown, printed), (shown, printed))
        for shown, printed in [("loss 0.1850", "loss 0.1853"), ("x 3.127e-12", "x 3.127e-11"), ("acc 1.0000", "acc 0.7500"),
                               ("0.5", "-0.5"), ("0.5", "nan")]:
            self.assertFalse(line_matches(shown, printed), (shown, printed))

    def test_everything_else_is_compared_as_it_stands(self):
        for shown, printed in [("class 1", "class 0"), ("step 10", "step 11"), ("v0.1.2", "v0.1.3"), ("yes", "yes, but"),
                               ("digest 1e5b", "digest 1e6b"), ("a b", "ab")]:
            self.assertFalse(line_matches(shown, printed), (shown, printed))
            self.assertTrue(line_matches(printed, "  " + printed.replace(" ", "   ")))

    def test_an_ellipsis_is_any_text_in_a_line(self):
        self.assertTrue(line_matches("lr 0.1  …", "lr 0.1  28,400 samples/s"))
        self.assertTrue(line_matches("rank 0 on … cores", "rank 0 on a b cores"))
        self.assertFalse(line_matches("rank 0 on … cores", "rank 0 on a b"))


class Blocks(unittest.TestCase):
    def test_an_ellipsis_alone_is_any_lines(self):
        for shown, printed in [("a … b", "a b"), ("a … b", "a x y b"), ("…", ""), ("a …", "a x"), ("… b", "x b b")]:
            self.assertIsNone(first_difference(shown.split(), printed.split()))
        self.assertIn("like\n    b", first_difference(["a", "…", "b"], ["a", "x"]))
        self.assertIn("from\n    x", first_difference(["a"], ["a", "x"]))
        self.assertIn("like\n    a", first_difference(["a"], []))
        self.assertIsNone(first_difference([], []))

    def test_commands_and_files_come_in_their_order(self):
        file, one, two, three = steps_of(GUIDE, None)
        self.assertEqual(file, ("own.yaml", "# own.yaml\nrun: {name: own}\n"))
        self.assertEqual((one.text, one.shown, one.compared), ("one --with \\\n    two lines", ["a 1.50", "…", "b"], True))
        self.assertEqual((two.text, two.shown, two.line), ("two", [], 17))
        self.assertEqual((three.text.split()[0], three.compared), ("three", False))

    def test_a_section_ends_where_the_next_begins(self):
        self.assertEqual([step.text[:3] for step in steps_of(GUIDE, "First") if isinstance(step, Command)], ["one", "two"])
        self.assertEqual([step.text[:5] for step in steps_of(GUIDE, "Second")], ["three"])


if __name__ == "__main__":
    unittest.main()

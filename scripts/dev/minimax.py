#!/usr/bin/env python3
"""Find the coefficients of src/kernels/polynomials.h.

Each is a minimax fit (Remez exchange in 60 digits) of a polynomial of the given degree to a function, with the weight
that makes its error relative to the whole result. Coefficients are rounded to float one after the other, from the lowest
degree on, and the rest is fitted again each time, so that a rounding is made good by the coefficients after it.
Needs python3-mpmath. Prints C initialisers and the error in units of 2^-24."""

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def remez(target, weight, degree, lowest, a, b, rounds=12):
    """Minimax of |weight(x) * (target(x) - sum c_i x^i)|, i = lowest..degree, on [a, b]."""
    count = degree - lowest + 1
    a, b = mp.mpf(a), mp.mpf(b)
    # inside the interval and nowhere near 0, where the weight or the powers may vanish
    points = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (i + mp.mpf("0.47")) / (count + 1)) for i in range(count + 1)]
    grid = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (i + mp.mpf("0.5")) / 600) for i in range(600)]
    grid = [a] + grid + [b]
    values = [(x, target(x), weight(x)) for x in grid]
    for _ in range(rounds):
        matrix, right = mp.matrix(count + 1), mp.matrix(count + 1, 1)
        for row, x in enumerate(points):
            for column in range(count):
                matrix[row, column] = weight(x) * x ** (lowest + column)
            matrix[row, count] = (-1) ** row
            right[row] = weight(x) * target(x)
        solution = mp.lu_solve(matrix, right)
        c = [solution[i] for i in range(count)]

        def error(x, f, w):
            return w * (f - sum(ci * x ** (lowest + i) for i, ci in enumerate(c)))

        errors = [error(*v) for v in values]
        # one extremum for each run of one sign
        runs = []
        for (x, _, _), e in zip(values, errors):
            if runs and (runs[-1][1] > 0) == (e > 0):
                if abs(e) > abs(runs[-1][1]):
                    runs[-1] = (x, e)
            else:
                runs.append((x, e))
        while len(runs) > count + 1:
            runs.pop(0 if abs(runs[0][1]) < abs(runs[-1][1]) else -1)
        if len(runs) < count + 1:
            break
        points = [x for x, _ in runs]
    return c, max(abs(e) for e in errors)


def fit(name, target, weight, degree, a, b):
    done = []

    def rest(x):
        return target(x) - sum(mp.mpf(c) * x**i for i, c in enumerate(done))

    ideal = None
    for lowest in range(degree + 1):
        c, error = remez(rest, weight, degree, lowest, a, b)
        ideal = error if ideal is None else ideal
        done.append(float(np.float32(float(c[0]))))
    grid = [mp.mpf(a) + (mp.mpf(b) - mp.mpf(a)) * i / 4000 for i in range(4001)]
    final = max(abs(weight(x) * rest(x)) for x in grid)
    unit = mp.mpf(2) ** 24
    print(f"/* {name}: error {mp.nstr(final * unit, 3)} x 2^-24 (unrounded {mp.nstr(ideal * unit, 3)}) */")
    print("  " + ", ".join(f"{c.hex()}f" for c in done))


def series(function, at, order):
    """The function, or near a removable singularity its Taylor sum."""
    terms = mp.taylor(function, 0, order)
    return lambda x: mp.polyval(terms[::-1], x) if abs(x) < at else None


def main():
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    # exp(r) = 1 + r + r^2 Q(r)
    def q(r):
        return (mp.expm1(r) - r) / r**2 if abs(r) > 1e-10 else mp.mpf(1) / 2 + r / 6
    fit("exp: Q", q, lambda r: r**2 / mp.exp(r) if r else mp.mpf("1e-30"), 4, -half, half)
    # expm1(r) = r + r^2 Q(r), relative to expm1
    fit("expm1: Q", q, lambda r: abs(r**2 / mp.expm1(r)) if r else mp.mpf("1e-30"), 4, -half, half)

    # log(1 + f) = f - f^2 / 2 + f^3 P(f)
    def p(f):
        if abs(f) < 1e-8:
            return mp.mpf(1) / 3 - f / 4 + f * f / 5
        return (mp.log1p(f) - f + f * f / 2) / f**3
    fit("log: P", p, lambda f: abs(f**3 / mp.log1p(f)) if f else mp.mpf("1e-30"), 7, mp.sqrt(0.5) - 1, mp.sqrt(2) - 1)

    # erf(x) = x + x E(x^2) for |x| <= 1
    def e(s):
        x = mp.sqrt(s)
        return mp.erf(x) / x - 1 if s > 1e-20 else 2 / mp.sqrt(mp.pi) * (1 - s / 3) - 1
    fit("erf: E", e, lambda s: mp.sqrt(s) / mp.erf(mp.sqrt(s)) if s else mp.mpf(1), 6, 0, 1)

    # erfc(x) = exp(G(x)) for 1 <= x <= 10.1: the error of 1 - exp(G) is what counts near 1, the exponential's own
    # further out
    for degree in (7, 8, 9, 10):
        fit(f"erfc: G{degree}", lambda x: mp.log(mp.erfc(x)), lambda x: max(mp.erfc(x), mp.mpf("0.003")), degree, 1, mp.mpf("10.1"))
    # arctan(t) = t + t^3 A(t^2) for 0 <= t <= 1
    def a(s):
        t = mp.sqrt(s)
        return (mp.atan(t) - t) / t**3 if s > mp.mpf("1e-12") else -mp.mpf(1) / 3 + s / 5
    for degree in (7, 8):
        fit(f"arctan: A{degree}", a, lambda s: s * mp.sqrt(s) / mp.atan(mp.sqrt(s)) if s else mp.mpf("1e-30"), degree, 0, 1)


if __name__ == "__main__":
    main()

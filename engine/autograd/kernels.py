"""Forward, backward and Adam: plain loops over the tape's arrays, scalar by scalar or a dot product at a time.

The functions run as they stand, and compiled (see `jit`), with the same bits. That rests on four rules:
sums run left to right; every power goes through C's pow with an exponent that is not known when compiling
(a constant 2 would become x*x, which can differ in the last bit), or is proven to be what pow returns (see `BAND`);
nothing is fused or reassociated; and where Python's own arithmetic would raise, the loop stops and returns the place.
"""

from __future__ import annotations

import math
from typing import Any

# Operations. LEAF rows are parameters and constants. NEG_MAX is minus the largest of several scalars as a
# plain number: its gradient stays where it is, because the original subtracts a float, not a Value.
# They stand in this file because numba looks for changes in the file of a compiled function and nowhere else.
LEAF, ADD, MUL, POW, LOG, EXP, RELU, NEG_MAX = range(8)
NOTHING = -1  # in the place of a child that an operation does not have
EXP_LIMIT = math.log(1.7976931348623157e308)  # above it, math.exp raises OverflowError
SQUARES_FIT = 1e150  # what is no larger has a finite square, whatever the rounding
BAND = 2.0**-5
"""How near to the middle between two doubles a square or a root may lie, in units in the last place, to be left to pow.

x*x and sqrt(x) are the doubles nearest to the true results. pow errs by less than 1 unit in the last place, and so may
return the next double, only where the true result lies near that middle (Ziv, "Fast evaluation of elementary
mathematical functions with correctly rounded last bit", 1991). What was published of the pow of glibc and musl (Arm
Limited, 2018) is an error of at most 0.511 + 4.6e-5 * abs(log(result)) units: 0.544 at the ends of the range, and
0.5142 between SURE_FROM and SURE_TO. The half of a unit is what rounding alone costs, and 0.0142 is less than half of
the band.
"""
HALF_UNIT = 2.0**-53 * (1.0 + 2.0**-52)  # x + HALF_UNIT * x is the next double after x (Rump 2009)
SURE_FROM, SURE_TO = 1e-30, 1e30  # beyond them all is left to pow
SCATTERED, STRAIGHT = 1, 2  # dot products that read any rows, and those that read one row after the other
FINE = -1  # returned where nothing went wrong; otherwise the row or index of the fault


def power(x: float, y: float) -> float:
    """C's pow. Compiled, this is a call to pow itself, which has no exceptions to raise."""
    try:
        return x**y  # type: ignore[no-any-return]
    except OverflowError:
        return math.inf


def residual(x: float, square: float) -> float:
    """x * x - square without rounding, where `square` is x * x rounded (Dekker 1971)."""
    scaled = 134217729.0 * x  # 2**27 + 1: it splits x into two numbers of 26 bits
    high = scaled - (scaled - x)
    low = x - high
    return ((high * high - square) + 2.0 * high * low) + low * low


def is_sure(rounded: float, beyond: float, band: float) -> bool:
    """Whether the true result, rounded + beyond, is further than the band from where another double is nearer."""
    width = band * (rounded + HALF_UNIT * rounded - rounded)
    return rounded + (beyond + width) == rounded and rounded + (beyond - width) == rounded


def to_squares(x: Any, out: Any, square: float, band: float) -> None:
    """Write x ** square of each number to `out`; `square` is 2.0. An infinite band leaves all of them to pow."""
    if band == math.inf:
        for i in range(len(x)):
            out[i] = power(x[i], square)
        return
    for i in range(len(x)):  # without a call in it, the processor does this for several at once
        product = x[i] * x[i]
        beyond, width = residual(x[i], product), band * (product + HALF_UNIT * product - product)
        sure = (product + (beyond + width) == product) & (product + (beyond - width) == product)
        sure = sure & (product > SURE_FROM) & (product < SURE_TO)
        out[i] = product if sure | (x[i] == 0.0) else -1.0
    for i in range(len(x)):
        if not out[i] >= 0.0:
            out[i] = power(x[i], square)


def to_roots(x: Any, out: Any, root: float, band: float) -> None:
    """Write x ** root of each number, none below 0, to `out`; `root` is 0.5. An infinite band leaves all to pow."""
    if band == math.inf:
        for i in range(len(x)):
            out[i] = power(x[i], root)
        return
    for i in range(len(x)):
        nearest = math.sqrt(x[i])
        beyond = -residual(nearest, x[i]) / (2.0 * nearest)
        width = band * (nearest + HALF_UNIT * nearest - nearest)
        sure = (nearest + (beyond + width) == nearest) & (nearest + (beyond - width) == nearest)
        sure = sure & (x[i] > SURE_FROM) & (x[i] < SURE_TO)
        out[i] = nearest + 0.0 if sure | (x[i] == 0.0) else -1.0  # of -0.0 it is 0.0, as pow has it
    for i in range(len(x)):
        if not out[i] >= 0.0:
            out[i] = power(x[i], root)


def powers_agree(count: int, square: float, root: float) -> int:
    """How often x * x and sqrt(x) were compared with pow, of `count` numbers just outside the band; -1 if one differed.

    Just outside is up to twice as far from the middle: there pow would differ first, if it erred by more.
    """
    compared = 0
    part, scale = 0.0, 1.0
    for _ in range(count):
        part += 0.6180339887498949  # the golden ratio's: no two numbers come near each other
        if part >= 1.0:
            part -= 1.0
        scale = scale * 0.5 if scale > 1e-18 else 1024.0
        x = (1.0 + part) * scale
        product = x * x
        beyond = residual(x, product)
        if is_sure(product, beyond, BAND) and not is_sure(product, beyond, 2.0 * BAND):
            compared += 1
            if power(x, square) != product:
                return -1
        nearest = math.sqrt(x)
        beyond = -residual(nearest, x) / (2.0 * nearest)
        if is_sure(nearest, beyond, BAND) and not is_sure(nearest, beyond, 2.0 * BAND):
            compared += 1
            if power(x, root) != nearest:
                return -1
    return compared


def forward(op: Any, child: Any, args: Any, data: Any, first: int, last: int) -> int:
    """Compute the scalars of the rows `first` to `last` into `data`, in order. Leaves among them stay as they are.

    Returns FINE, or the row of the scalar that Python could not have computed.
    """
    base = exponent = before = NOTHING  # what the last power was made from
    for row in range(first, last):
        kind = op[row]
        a = child[2 * row]
        b = child[2 * row + 1]
        if kind == MUL:
            data[row] = data[a] * data[b]
        elif kind == ADD:
            data[row] = data[a] + data[b]
        elif kind == EXP:
            x = data[a]
            if x > EXP_LIMIT and not math.isinf(x):
                return row
            data[row] = math.exp(x)
        elif kind == RELU:
            data[row] = data[a] if data[a] > 0.0 else 0.0
        elif kind == POW and a == base and b == exponent:
            data[row] = data[before]  # shares of one total: each quotient inverts it anew
        elif kind == POW:
            base, exponent, before = a, b, row
            x = data[a]
            if (x == 0.0 and data[b] < 0.0) or (x < 0.0 and data[b] != math.floor(data[b])):
                return row
            data[row] = power(x, data[b])
            # The original computes the local gradient at once, so what that would raise is raised here too.
            if not math.isinf(x) and (math.isinf(data[row]) or math.isinf(power(x, data[b] - 1.0))):
                return row
        elif kind == LOG:
            if data[a] <= 0.0:
                return row
            data[row] = math.log(data[a])
        elif kind == NEG_MAX:
            largest = data[args[a]]
            for i in range(a + 1, a + b):
                largest = max(largest, data[args[i]])
            data[row] = -largest
    return FINE


def backward(
    op: Any, child: Any, data: Any, grad: Any, edges: Any, first: int, last: int, shift: int = 0,
    base: int = NOTHING, exponent: int = NOTHING, slope: float = 0.0,
) -> tuple[int, int, float]:  # fmt: skip
    """Run the chain rule over `edges[first:last]`, in order: child.grad += local * v.grad, once an edge.

    An edge is an index into `child`, so the scalar that hands its gradient on is row `edge // 2`; all edges are moved
    up by `shift`. A negative edge is where it all starts: the loss, row -1 - edge, whose own gradient is 1.
    Takes and returns what the last derivative of a power was made from, the rows `base` and `exponent`, and what it is.
    """
    for k in range(first, last):
        edge = edges[k]
        if edge < 0:
            grad[-1 - edge] = 1.0
        else:
            edge += shift
            row = edge >> 1
            a = child[2 * row]
            kind = op[row]
            if kind == ADD:
                local = 1.0
            elif kind == MUL:
                local = data[child[edge ^ 1]]
            elif kind == EXP:
                local = data[row]
            elif kind == RELU:
                local = 1.0 if data[a] > 0.0 else 0.0
            elif kind == POW:
                if a != base or child[2 * row + 1] != exponent:
                    base, exponent = a, child[2 * row + 1]
                    n = data[exponent]
                    slope = n * power(data[a], n - 1.0)
                local = slope  # shares of one total: each quotient has inverted it anew
            else:  # LOG
                local = 1.0 / data[a]
            grad[child[edge]] += local * grad[row]
    return base, exponent, slope


def forward_whole(
    op: Any, child: Any, args: Any, data: Any, at: int, last: int, starts: Any, terms: Any, counts: Any, ends: Any,
    begin: int, end: int, keep: bool,
) -> int:  # fmt: skip
    """Compute the scalars of the rows `at` to `last` as `forward` does, but the dot products among them as runs.

    These are the blocks `begin` to `end`; `starts`, `terms`, `counts` and `ends` as in `dot_products.Dots`. Within a
    dot product, products and running sums are written only to `keep` them.
    """
    for i in range(begin, end + 1):
        until = starts[i] if i < end else last
        if at < until:
            fault = forward(op, child, args, data, at, until)
            if fault != FINE:
                return fault
        if i == end:
            break
        n, row = terms[i], until
        at = row + 2 * n * counts[i]
        if keep:
            for _ in range(counts[i]):
                total = 0.0
                for _ in range(n):
                    product = data[child[2 * row]] * data[child[2 * row + 1]]
                    total = total + product
                    data[row] = product
                    data[row + 1] = total
                    row += 2
        elif ends[row + 1] == STRAIGHT:
            straight_sums(data, child[2 * row], child[2 * row + 1], n, counts[i], row)
        else:
            total = 0.0
            for k in range(2 * row, 2 * (row + 2 * n), 4):
                total = total + data[child[k]] * data[child[k + 1]]
            data[row + 2 * n - 1] = total
    return FINE


def straight_sums(data: Any, a: int, b: int, n: int, count: int, row: int) -> None:
    """Write the last running sums of the `count` dot products of a block, which begins at `row`: of n rows each from
    `a` on with the n rows from `b` on.

    Four sums grow at a time, as the processor need not wait for one of them to add to another.
    """
    size = 2 * n
    row += size - 1
    while count >= 4:
        first = second = third = fourth = 0.0
        for j in range(n):
            x = data[b + j]
            first = first + data[a + j] * x
            second = second + data[a + n + j] * x
            third = third + data[a + 2 * n + j] * x
            fourth = fourth + data[a + 3 * n + j] * x
        data[row] = first
        data[row + size] = second
        data[row + 2 * size] = third
        data[row + 3 * size] = fourth
        row += 4 * size
        a += 4 * n
        count -= 4
    for _ in range(count):
        total = 0.0
        for j in range(n):
            total = total + data[a + j] * data[b + j]
        data[row] = total
        row += size
        a += n


def strongest(op: Any, child: Any, data: Any, edges: Any, best: Any) -> None:
    """Go on along `edges`, in the order of the backward phase, with the strongest chain of each row, in `best`:
    the largest |product of derivatives| along any path from the row to where it all starts.
    """
    for k in range(len(edges)):
        edge = edges[k]
        if edge < 0:
            best[-1 - edge] = 1.0
        else:
            row = edge >> 1
            below = child[edge]
            above, known = best[row], best[below]
            best[row] = 1.0  # for a moment these two stand for gradients
            best[below] = -0.0  # the one number to which adding anything, -0.0 too, gives just that
            backward(op, child, data, best, edges, k, k + 1)
            local = abs(best[below])
            best[row] = above
            best[below] = max(known, local * above)


def backward_whole(
    op: Any, child: Any, data: Any, grad: Any, edges: Any, terms: Any, segments: Any, ends: Any, keep: bool
) -> None:
    """Run the chain rule over the segments of a `backward_order.Route` as `backward` does, all gradients being 0.

    `ends` as in `dot_products.Dots`. Unless these are to be `keep`t, all gradients of a dot product are 0 afterwards,
    those of its products and of its running sums, the last one too.
    """
    base, exponent, slope = NOTHING, NOTHING, 0.0
    for segment in range(len(segments)):
        k = segments[segment, 0]
        last = segments[segment, 1]
        shift = segments[segment, 2]
        while k < last:
            first = k
            while k < last and terms[k] == 0:
                k += 1
            if first < k:
                base, exponent, slope = backward(
                    op, child, data, grad, edges, first, k, shift, base, exponent, slope
                )  # fmt: skip
            while k < last and terms[k] > 0:
                row = (edges[k] + shift) >> 1
                n = terms[k]
                g = 0.0 + grad[row]  # what everything within the dot product gets; 0.0 + -0.0 is 0.0
                lowest = row - 2 * n + 2  # the last of the running sums that hand it on
                if keep:
                    added = row
                    for _ in range(n):
                        grad[child[2 * added]] = g  # the sum before; at the start of the sum, the product once more
                        grad[added - 1] = g
                        added -= 2
                else:
                    grad[row] = 0.0
                    if child[2 * lowest] != lowest - 1:
                        grad[child[2 * lowest]] = g  # the rest of this dot product comes later
                a = child[2 * lowest - 2]
                b = child[2 * lowest - 1]
                if ends[row] == STRAIGHT:
                    for j in range(n):
                        grad[a + j] += data[b + j] * g
                    for j in range(n):
                        grad[b + j] += data[a + j] * g
                else:
                    for _ in range(n):
                        product = row - 1
                        a = child[2 * product]
                        b = child[2 * product + 1]
                        grad[a] += data[b] * g
                        grad[b] += data[a] * g
                        row -= 2
                k += 1


def clear_between(grad: Any, at: int, last: int, starts: Any, terms: Any, counts: Any, blocks: int) -> None:
    """Set to 0 the gradients of the rows `at` to `last` but for dot products.

    Of these, the first `blocks` of `starts` and so on as in `forward_whole`, `backward_whole` has left none.
    """
    for i in range(blocks + 1):
        until = starts[i] if i < blocks else last
        for row in range(at, until):
            grad[row] = 0.0
        if i < blocks:
            at = until + 2 * terms[i] * counts[i]


def pass_step(
    op: Any, child: Any, args: Any, data: Any, grad: Any, zero: int, first: int, last: int, mean: int, end: int,
    starts: Any, terms: Any, counts: Any, ends: Any, blocks: int, edges: Any, edge_terms: Any, segments: Any, m: Any,
    v: Any, lr: float, beta1: float, beta2: float, fix1: float, fix2: float, square: float, root: float, eps: float,
    band: float, scratch: Any, before: Any, bounds: Any, sums: Any,
) -> int:  # fmt: skip
    """Take a whole training step, of which nothing is kept but parameters, moments and `sums`; all gradients are 0.

    It calls other kernels, with their arguments: `forward_whole` for the rows `first` to `last`, `forward` for those
    of the mean, `mean` to `end`, `backward_whole` for `segments`, `adam`, `squares` and `clear_between`. Parameters
    were `before` as they are now. Returns FINE, or something else if there is a fault anywhere: then the step is not
    finished. `zero` is 0; for one that stood here, numba would compile these kernels once more.
    """
    fault = forward_whole(op, child, args, data, first, last, starts, terms, counts, ends, zero, blocks, False)
    if fault != FINE:
        return fault
    fault = forward(op, child, args, data, mean, end)
    if fault != FINE:
        return fault
    backward_whole(op, child, data, grad, edges, edge_terms, segments, ends, False)
    fault = adam(
        data, grad, m, v, zero, len(m), lr, beta1, beta2, fix1, fix2, square, root, eps, band, scratch
    )  # fmt: skip
    if fault != FINE:
        return fault
    squares(grad, before, data, bounds, sums)
    clear_between(grad, zero, last, starts, terms, counts, blocks)
    for row in range(mean, end):
        grad[row] = 0.0
    return FINE


def adam_step(
    g: float, m: float, v: float, p: float, lr: float, beta1: float, beta2: float, fix1: float, fix2: float,
    square: float, root: float, eps: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """One parameter's update by Adam (Kingma & Ba 2015, algorithm 1): (m, v, m_hat, v_hat, delta, p), all new.

    `fix1` and `fix2` are 1 - beta ** (step + 1). `square` is 2.0 and `root` 0.5, passed in so that they stay powers.
    """
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * power(g, square)
    m_hat = m / fix1
    v_hat = v / fix2
    delta = lr * m_hat / (power(v_hat, root) + eps)
    return m, v, m_hat, v_hat, delta, p - delta


def adam(
    data: Any, grad: Any, m: Any, v: Any, first: int, last: int, lr: float, beta1: float, beta2: float,
    fix1: float, fix2: float, square: float, root: float, eps: float, band: float, scratch: Any,
) -> int:  # fmt: skip
    """Move the parameters `first` to `last` as `adam_step` does: `data`, `m` and `v` are written, `grad` is read.

    It takes blocks of half as many parameters as `scratch` has places, with loops of their own for the powers (see
    `to_squares` for `band`): the processor can do all the rest for several parameters at once. Returns FINE, or the
    index of the parameter whose squared gradient Python could not have computed; those before it have moved.
    """
    fault = FINE
    for i in range(first, last):
        if abs(grad[i]) > SQUARES_FIT and math.isinf(power(grad[i], square)) and not math.isinf(grad[i]):
            last = fault = i
            break
    block = len(scratch) // 2
    for start in range(first, last, block):
        end = min(start + block, last)
        g, m_now, v_now, p = grad[start:end], m[start:end], v[start:end], data[start:end]
        corrected, powers = scratch[: end - start], scratch[block : block + end - start]
        to_squares(g, powers, square, band)
        for i in range(end - start):
            m_now[i] = beta1 * m_now[i] + (1.0 - beta1) * g[i]
            v_now[i] = beta2 * v_now[i] + (1.0 - beta2) * powers[i]
            corrected[i] = v_now[i] / fix2
        to_roots(corrected, powers, root, band)
        for i in range(end - start):
            p[i] -= lr * (m_now[i] / fix1) / (powers[i] + eps)
    return fault


def squares(grad: Any, before: Any, after: Any, bounds: Any, out: Any) -> None:
    """Write to `out`, (n, 3), sums of squares of `grad`, of `after - before` and of `before`, within n bounds each."""
    for i in range(len(out)):
        gradient = update = weight = 0.0
        for j in range(bounds[i], bounds[i + 1]):
            change = after[j] - before[j]
            gradient += grad[j] * grad[j]
            update += change * change
            weight += before[j] * before[j]
        out[i, 0] = gradient
        out[i, 1] = update
        out[i, 2] = weight


def post_order(op: Any, child: Any, root: int, lowest: int, shallow: int, turn: Any, stack: Any, out: Any) -> int:
    """Write to `out` the rows that `root` is made from, children before parents and left before right.

    Leaves and rows below `lowest` are left out; rows below `shallow` are written without going into them. `turn`
    remembers what was met, over several calls too (all zeros at first); `stack` is scratch. Returns how many.
    """
    count = depth = 0
    if turn[root] == 0:
        turn[root] = 1
        stack[0] = root
        depth = 1
    while depth > 0:
        row = stack[depth - 1]
        slot = turn[row] - 1
        if slot > 1 or row < shallow:
            out[count] = row
            count += 1
            depth -= 1
            continue
        turn[row] += 1
        below = child[2 * row + slot]
        if below >= lowest and turn[below] == 0 and op[below] != LEAF and op[below] != NEG_MAX:
            turn[below] = 1
            stack[depth] = below
            depth += 1
    return count

"""The kernels of a GPU do what the plain fold does: interpreted on a CPU, compiled on a GPU."""

import importlib.util
import subprocess
import sys
from functools import cache
from types import ModuleType, SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from symscape.layers.folding import fold, fused
from symscape.layers.folding.geometry import Geometry
from symscape.layers.folding.stencil import fold as folded
from symscape.symmetry.groups import Symmetry
from tests.layers.folding.test_fold import TYING, conv, error, everything, random, twins

# The interpreter of older versions fails with the NumPy of today.
triton = pytest.importorskip("triton", minversion="3.9")

KERNELS = "symscape.layers.folding.triton_kernels"
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch) -> str:
    """A device that runs the kernels."""
    if request.param == "cpu":
        monkeypatch.setitem(sys.modules, KERNELS, interpreted_kernels())
        mend_bfloat16(monkeypatch)
    return request.param


@cache
def interpreted_kernels() -> ModuleType:
    """Return a copy of the kernels' module; what the others see of it may be compiled."""
    spec = importlib.util.find_spec(KERNELS)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        spec.loader.exec_module(module)
    return module


def mend_bfloat16(monkeypatch) -> None:
    """Make the interpreter multiply and round bfloat16 as GPUs do.

    NumPy has no such type. The interpreter keeps the 16 bits as an integer, multiplies integers in
    a product, and rounds towards zero.
    """
    from triton.runtime.interpreter import InterpreterBuilder as Builder
    from triton.runtime.interpreter import TensorHandle

    tl, dot, cast = triton.language, Builder.create_dot, Builder.cast_impl

    def widened(value):
        if value.dtype.scalar != tl.bfloat16:
            return value
        return TensorHandle((value.data.astype("uint32") << 16).view("float32"), tl.float32)

    def create_dot(self, a, b, *rest):
        return dot(self, widened(a), widened(b), *rest)

    def cast_impl(self, value, kind):
        if (value.dtype.scalar, kind.scalar) != (tl.float32, tl.bfloat16):
            return cast(self, value, kind)
        bits = torch.from_numpy(value.data).bfloat16().view(torch.int16).numpy().view("uint16")
        return TensorHandle(bits, tl.bfloat16)

    monkeypatch.setattr(Builder, "create_dot", create_dot)
    monkeypatch.setattr(Builder, "cast_impl", cast_impl)


def geometry(name: str, kernel: int, size=(8, 9), stride=1, padding=None) -> Geometry:
    labels = Symmetry(name).orbits((kernel, kernel)).view(kernel, kernel).tolist()
    padding = padding or (kernel // 2, kernel // 2)
    return Geometry(tuple(tuple(row) for row in labels), size, stride, padding)


def tensors(of: Geometry, inputs: int, filters: int, device: str, kind=torch.float32, images=2):
    """Return x, u, the gradient of y, and a bias."""
    shapes = [(images, *of.size, inputs), (filters, of.orbits, inputs)]
    shapes += [(images, *of.out_size, filters), (filters,)]
    return [random(*s, seed=i).to(device, kind) for i, s in enumerate(shapes)]


def errors(of: Geometry, x: Tensor, u: Tensor, g: Tensor, bias: Tensor | None) -> list[float]:
    """Return the relative errors of the product and of the gradient."""
    y, du = fused.fused_product(x, u, of, bias), fused.fused_gradient(x, g, of)
    assert y.dtype == du.dtype == x.dtype
    return [error(*pair) for pair in zip((y, du), plain(of, x, u, g, bias), strict=True)]


def plain(of: Geometry, x, u, g, bias) -> tuple[Tensor, Tensor]:
    """Return the plain form's product and gradient in float64."""
    x, u, g, bias = (None if t is None else t.double() for t in (x, u, g, bias))
    return fold._multiply(x, u, of, bias), fold._gradient_of_folded_input(x, g, of)


@pytest.mark.parametrize("name", TYING)
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_every_group_and_kernel(name, kernel, device):
    of = geometry(name, kernel, (4, 6))
    assert max(errors(of, *tensors(of, 3, 5, device, images=1))) < 1e-6


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(TYING),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
    padding=st.tuples(st.integers(-1, 4), st.integers(-1, 4)),
    size=st.tuples(st.integers(7, 10), st.integers(7, 10)),
    inputs=st.sampled_from([1, 3, 5, 16, 20]),
    filters=st.sampled_from([1, 3, 5, 16, 20]),
    biased=st.booleans(),
)
def test_every_geometry(name, kernel, stride, padding, size, inputs, filters, biased, device):
    of = geometry(name, kernel, size, stride, padding)
    x, u, g, bias = tensors(of, inputs, filters, device, images=1)
    assert max(errors(of, x, u, g, bias if biased else None)) < 1e-6


@pytest.mark.parametrize("name", ["rot90", "hflip", "random"])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=str)
def test_sums_of_taps_are_rounded_once_and_so_are_products(name, kind, device):
    of = geometry(name, 3)
    x, u, g, bias = tensors(of, 40, 20, device, kind)
    columns = folded(x.double(), of).to(kind).double()
    y = columns @ u.flatten(1).T.double() + bias.double()
    du = g.flatten(0, 2).T.double() @ columns
    found = fused.fused_product(x, u, of, bias), fused.fused_gradient(x, g, of)
    for value, reference in zip(found, (y, du), strict=True):
        # Seldom one rounds up where the other rounds down; a second rounding would be seen.
        rounded = reference.to(kind).double()
        assert error(value.flatten(), rounded.flatten()) < torch.finfo(kind).eps / 10
    assert max(errors(of, x, u, g, bias)) < torch.finfo(kind).eps


@pytest.mark.parametrize("kind", [torch.float16, torch.float32], ids=str)
def test_many_channels_and_tiles(kind, device, monkeypatch):
    monkeypatch.setattr(fused, "MANY", 1)  # Large tiles, in float16.
    of = geometry("rot90", 3)
    images, bound = (1, 1e-6) if kind == torch.float32 else (2, 1e-3)
    assert max(errors(of, *tensors(of, 70, 140, device, kind, images))) < bound


class Launches:
    """Stands before a kernel and keeps the grids that it is launched on."""

    def __init__(self, kernel) -> None:
        self.kernel, self.grids = kernel, []

    def __getitem__(self, grid):
        self.grids.append(grid)
        return self.kernel[grid]


def test_a_gradient_of_many_shares_is_that_of_one_and_repeats_to_the_bit(device, monkeypatch):
    from symscape.layers.folding import triton_kernels as kernels

    launches = Launches(kernels.gradient)
    monkeypatch.setattr(kernels, "gradient", launches)
    of = geometry("d4", 3, stride=2)
    x, _, g, _ = tensors(of, 5, 20, device, images=4)
    first, second = (fused.fused_gradient(x, g, of) for _ in range(2))
    monkeypatch.setattr(fused, "PROGRAMS", 1)
    one = fused.fused_gradient(x, g, of)
    assert [grid[1] for grid in launches.grids] == [5, 5, 1]
    assert torch.equal(first, second)
    torch.testing.assert_close(first, one, rtol=1e-5, atol=1e-5)


def test_no_images_or_no_outputs(device):
    for of, images in ((geometry("rot90", 3), 0), (geometry("rot90", 3, (2, 9), 1, (0, 0)), 2)):
        x, u, g, bias = tensors(of, 3, 5, device, images=images)
        assert fused.fused_product(x, u, of, bias).shape == g.shape
        assert torch.equal(fused.fused_gradient(x, g, of), torch.zeros_like(u))


@pytest.fixture
def fused_alone(device, monkeypatch) -> str:
    """A device on which a fold that is stored is an error."""
    monkeypatch.setattr(fold, "fuses", lambda x: True)
    monkeypatch.setattr(fold, "fold", None)
    return device


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rot90", {}),
        ("hflip", {"padding": (3, 0)}),
        ("rot90", {"stride": 2}),
        ("d4", {"groups": 2}),
    ],
    ids=str,
)
def test_values_gradients_and_hessian_products_of_a_layer(name, options, fused_alone):
    direct, folded = twins(conv(name, **options))
    x = random(2, 4, 5, 6)
    references = everything(direct.double(), x)
    values = everything(folded.to(fused_alone), x.to(fused_alone, torch.float32))
    for value, reference in zip(values, references, strict=True):
        assert error(value, reference) < 1e-5


def test_gradients_in_bfloat16(fused_alone):
    for stride in (1, 2):
        direct, folded = twins(conv(inputs=32, stride=stride))
        x = random(2, 32, 8, 8)
        references = everything(direct.double(), x)[:3]
        image = x.to(fused_alone, torch.float32).requires_grad_()
        with torch.autocast(fused_alone, torch.bfloat16):
            y = folded.to(fused_alone)(image)
        loss = (y.float().square() * random(*y.shape, seed=1).to(fused_alone)).mean()
        values = [y, *torch.autograd.grad(loss, [image, *folded.parameters()])]
        for value, reference in zip(values, references, strict=True):
            assert error(value, reference) < 0.01


def test_an_evaluated_fold_adds_its_bias(fused_alone):
    of = geometry("hvflip", 3)
    x, u, _, bias = tensors(of, 5, 6, fused_alone)
    y = fold.evaluated_fold(x.permute(0, 3, 1, 2), u, bias, of).permute(0, 2, 3, 1)
    with torch.no_grad():
        torch.testing.assert_close(y, fused.fused_product(x, u, of) + bias)


def test_a_cpu_and_float64_keep_the_plain_form(monkeypatch):
    assert not fused.fuses(torch.ones(1))
    monkeypatch.setattr(fused, "_serves", lambda device: True)
    assert fused.fuses(torch.ones(1))
    assert not fused.fuses(torch.ones(1, dtype=torch.float64))


def test_triton_is_imported_by_nothing_but_a_fold_on_a_gpu():
    code = (
        "import sys, torch, symscape.layers.conv as c, symscape.symmetry.groups as s;"
        "from symscape.layers.parametrizations import PARAMETRIZATIONS as P;"
        "layer = P['tied'](s.Symmetry('rot90'), 2, 2, (3, 3)); layer.compute = 'fold';"
        "layer(torch.ones(1, 2, 5, 5)).sum().backward();"
        "kernels = 'symscape.layers.folding.triton_kernels';"
        "sys.exit(bool({'triton', kernels} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("capability", "kind"),
    [(80, torch.float32), *((each, torch.bfloat16) for each in (80, 90, 100, 120))],
)
def test_the_kernels_compile_for_gpus_that_are_not_here(capability, kind, monkeypatch, tmp_path):
    from triton.backends.compiler import GPUTarget

    from symscape.layers.folding import triton_kernels as kernels

    there = SimpleNamespace(
        get_current_target=lambda: GPUTarget("cuda", capability, 32),
        get_current_device=lambda: capability,
        get_current_stream=lambda device: 0,
    )
    compiled = []

    class Compiled:
        def __init__(self, kernel) -> None:
            self.kernel = kernel

        def __getitem__(self, grid):
            return lambda *args, **options: compiled.append(
                self.kernel.warmup(*args, grid=grid, **options)
            )

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(triton.runtime.driver, "_active", there)
    for name in ("product", "gradient"):
        monkeypatch.setattr(kernels, name, Compiled(getattr(kernels, name)))
    of = geometry("rot90", 3, (32, 32))
    x, u, g, _ = (t.expand(64, *t.shape[1:]) for t in tensors(of, 64, 64, "cpu", kind, images=1))
    fused.fused_product(x, u, of)
    fused.fused_gradient(x, g, of)
    # What a program may have of shared memory on the smallest of these GPUs.
    assert [c.metadata.shared < 99 * 2**10 for c in compiled] == [True, True]

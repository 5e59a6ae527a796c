"""What the chapter on Transformers builds: equal to PyTorch's, free of leaks, near the optimum."""

import ast
import math
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from dlbook import fragment, kernels, pretrained

CHAPTER = Path(__file__).parents[2] / "book" / "sequences" / "transformer.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
TABLES = {"names", "number", "(PAD, BEGIN, END, MASK)", "masking", "letters", "token_of"}


def wanted(node):
    """Imports, definitions, and a few tables; nothing that computes."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) in TABLES
    return isinstance(node, DEFINITIONS)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space)


CODE = definitions()
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25, deadline=None)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


# ---- One softmax ------------------------------------------------------------------------------


@FEW
@given(SEEDS, st.integers(1, 7), st.integers(1, 7), st.integers(1, 9))
def test_attention_is_pytorchs_under_any_mask(seed, n, m, d):
    Q, K, V = normal(n, d, seed=seed), normal(m, d, seed=seed + 1), normal(m, 3, seed=seed + 2)
    mask = torch.rand(n, m, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[:, 0] = True
    weights = CODE.attention_weights(Q, K, mask)
    assert torch.allclose(weights.sum(dim=1), torch.ones(n).double())
    assert (weights[~mask] == 0).all()
    expected = F.scaled_dot_product_attention(Q[None], K[None], V[None], attn_mask=mask)[0]
    assert torch.allclose(CODE.attend(Q, K, V, mask), expected, atol=1e-12)


@FEW
@given(SEEDS, st.integers(1, 6))
def test_the_slope_of_an_answer_is_as_derived(seed, n):
    s, V = normal(n, seed=seed), normal(n, 3, seed=seed + 1)
    jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(dim=0) @ V, s)  # (3, n)
    a = s.softmax(dim=0)
    assert torch.allclose(jacobian.T, a[:, None] * (V - a @ V), atol=1e-12)


def test_scores_have_variance_d_and_the_slope_is_the_jacobians():
    for d in (4, 64):
        variance, largest, slope = CODE.at_the_start(d, 1)
        assert variance == pytest.approx(d, rel=0.1)
        assert CODE.at_the_start(d, d**-0.5)[0] == pytest.approx(1, rel=0.1)
        assert 1 / 32 < largest < 1 and slope > 0
    a = normal(6).softmax(dim=0)
    jacobian = torch.diag(a) - torch.outer(a, a)
    assert jacobian.abs().sum() == pytest.approx(float(2 * (a * (1 - a)).sum()))


@FEW
@given(SEEDS, st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 50, 2000]))
def test_blocks_of_any_size_give_the_same_answers(seed, n, size, scale):
    Q, K, V = normal(3, n, 4, seed=seed)
    found = CODE.attend_in_blocks(scale * Q, K, V, size)
    assert torch.allclose(found, CODE.attend(scale * Q, K, V), atol=1e-9)


def test_the_kernel_and_the_chapter_agree():
    q, k, v = normal(3, 2, 4, 17, 8).float()
    plain = CODE.attend(q, k, v, CODE.causal_mask(17))
    assert torch.allclose(kernels.attention(q, k, v, causal=True), plain, atol=1e-6)


def test_only_the_matrix_costs_more_a_word_in_longer_texts():
    plain = [CODE.kept(CODE.attend, n) for n in (128, 256)]
    fused = [CODE.kept(F.scaled_dot_product_attention, n) for n in (128, 256)]
    assert plain[1] - 2 * plain[0] == 4 * (256**2 - 2 * 128**2)
    assert fused[1] == 2 * fused[0]


# ---- Heads and positions ----------------------------------------------------------------------


@pytest.mark.parametrize(("width", "n_heads"), [(8, 1), (8, 8), (12, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_heads_are_pytorchs(width, n_heads, masked):
    mask = CODE.causal_mask(6) if masked else None
    assert CODE.difference(width, n_heads, 6, 6, mask) < 1e-12
    assert CODE.difference(width, n_heads, 3, 6, None) < 1e-12


@FEW
@given(SEEDS, st.integers(1, 8))
def test_without_positions_words_are_a_bag(seed, n):
    layer, x = CODE.Layer(8, 2).double(), normal(1, n, 8, seed=seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(layer(x[:, order], None), layer(x, None)[:, order], atol=1e-10)


def test_with_positions_they_are_not():
    ends = CODE.Ends(9, 8)
    tokens = torch.tensor([[5, 6, 7]])
    assert not torch.allclose(ends.embed(tokens)[:, [1, 0, 2]], ends.embed(tokens[:, [1, 0, 2]]))


@given(st.sampled_from([2, 8, 64]), st.integers(0, 30))
def test_products_of_positions_depend_on_the_distance(width, k):
    positions = CODE.sinusoids(60, width).double()
    products = (positions[: 60 - k] * positions[k:]).sum(dim=1)
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    assert np.allclose(products, np.cos(rates * k).sum(), atol=1e-4)


# ---- Leaks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [True, False])
def test_nothing_leaks_through_a_whole_stack(causal):
    model = CODE.Transformer(20, causal)
    tokens = torch.tensor([[1, 7, 9, 4, 2, 0, 0]])
    x, mask = model.ends.embed(tokens)[0].detach(), CODE.visible(tokens, causal)
    moved = CODE.influence(lambda x: model.stack(x[None], mask)[0], x)
    words, padding = moved[:5, :5], moved[:5, 5:]
    later = ~CODE.causal_mask(5)
    assert (padding == 0).all()
    assert (words[~later] > 0).all()
    assert (words[later] == 0).all() if causal else (words[later] > 0).all()


def test_the_test_for_leaks_finds_one():
    def leaky(x):  # the mask on the weights, after the softmax
        weights = CODE.attention_weights(x, x) * CODE.causal_mask(len(x))
        return weights @ x

    assert CODE.influence(leaky, normal(4, 3))[~CODE.causal_mask(4)].min() > 0
    assert CODE.depends_on_later(leaky, 4, 3)


def test_the_writer_sees_all_of_the_source_and_no_later_target():
    layer, mask = CODE.TargetLayer(8, 2).double(), CODE.causal_mask(4)
    source_mask = (torch.arange(5) < 3)[None, None, None]  # two of padding
    x, source = normal(4, 8), normal(5, 8, seed=1)

    def of_target(x):
        return layer(x[None], mask, source[None], source_mask)[0]

    def of_source(source):
        return layer(x[None], mask, source[None], source_mask)[0]

    assert (CODE.influence(of_target, x)[~mask] == 0).all()
    jacobian = torch.autograd.functional.jacobian(of_source, source).abs().amax(dim=(1, 3))
    assert (jacobian[:, :3] > 0).all() and (jacobian[:, 3:] == 0).all()


@pytest.mark.parametrize("causal", [True, False])
def test_a_sentence_gets_the_same_answers_in_company(causal):
    model = CODE.Transformer(20, causal)
    alone, longer = torch.tensor([1, 7, 9, 2]), torch.tensor([1, 3, 8, 5, 6, 6, 2])
    (batch,) = CODE.padded([alone, longer])
    assert torch.allclose(model(batch)[0, :4], model(alone[None])[0], atol=1e-5)


def test_taggers_do_not_notice_padding():
    for kind in (CODE.EncoderTagger, CODE.LSTMTagger):
        model, alone = kind(20, 5), torch.tensor([1, 7, 9, 2])
        (batch,) = CODE.padded([alone, torch.arange(1, 9)])
        assert torch.allclose(model(batch)[0, :4], model(alone[None])[0], atol=1e-5)


# ---- Losses -----------------------------------------------------------------------------------


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary():
    model = CODE.Transformer(50, causal=True)
    model.ends.words.weight.data.zero_()
    (tokens,) = CODE.padded([torch.tensor([1, 5, 6, 2]), torch.tensor([1, 7, 2])])
    assert CODE.next_word_loss(model, tokens).item() == pytest.approx(math.log(50), abs=1e-5)
    hide = tokens > 4
    assert CODE.masked_word_loss(model, tokens, hide).item() == pytest.approx(math.log(50), 1e-5)


def test_only_words_are_hidden_and_they_are():
    sequences = [CODE.encode(s.words) for s in fragment.sample(200, seed=3)]
    tokens, hide = CODE.hide_some(sequences)
    assert not hide[tokens <= CODE.MASK].any()
    assert hide[tokens > CODE.MASK].float().mean() == pytest.approx(0.3, abs=0.05)
    model, other = CODE.Transformer(len(CODE.names), causal=False), tokens.clone()
    other[hide] = CODE.number["walk"]
    seen = [t.masked_fill(hide, CODE.MASK) for t in (tokens, other)]
    assert torch.equal(model.hidden(seen[0])[hide], model.hidden(seen[1])[hide])


def test_the_same_weights_serve_encoder_and_decoder():
    both = [CODE.Transformer(30, causal) for causal in (True, False)]
    both[1].load_state_dict(both[0].state_dict())
    tokens = torch.tensor([[1, 9, 8, 2]])
    first, second = (model(tokens) for model in both)
    assert torch.allclose(first[0, -1], second[0, -1]) is False
    assert torch.allclose(both[0].stack(torch.ones(1, 1, 64), None),
                          both[1].stack(torch.ones(1, 1, 64), None))  # fmt: skip


def test_scores_shown_are_scores_used():
    model, tokens = CODE.Transformer(30, causal=True), torch.tensor([[1, 9, 8, 2]])
    scores = CODE.head_scores(model, tokens)
    assert scores.shape == (2, 4, 4, 4)
    a, z = model.layers[0].attention, model.layers[0].norm1(model.ends.embed(tokens))
    mask = CODE.causal_mask(4)
    weights = scores[0].masked_fill(~mask, -torch.inf).softmax(dim=-1)
    heads = weights @ a.split(a.value(z))[0]
    expected = a.out(heads.transpose(0, 1).flatten(1))
    assert torch.allclose(a(z, mask=mask)[0], expected, atol=1e-5)


# ---- Tasks ------------------------------------------------------------------------------------


def test_reversals_are_reversals():
    source, target = CODE.reversal(torch.Generator().manual_seed(0), 50)
    for s, t in zip(source.tolist(), target.tolist(), strict=True):
        n = s.index(CODE.END)
        assert 3 <= n <= 8
        assert t[: n + 2] == [CODE.BEGIN, *reversed(s[:n]), CODE.END]
        assert not any(s[n + 1 :]) and not any(t[n + 2 :])


def test_what_is_written_ends_where_it_ends():
    class Scripted(torch.nn.Module):
        def forward(self, source, target):
            script = torch.tensor([5, 6, 2, 7, 7, 7])
            return F.one_hot(script[: target.shape[1]], 9)[None].float()

    found = CODE.translate(Scripted(), torch.tensor([[4, 2]]), longest=5)
    assert found.tolist() == [[1, 5, 6, 2, 0, 0]]


def test_the_kept_decoder_is_within_five_per_cent_of_the_entropy():
    model = CODE.larger(causal=True)
    model.load_state_dict(pretrained.weights("fragment-next-word"))
    sentences = [s for s in fragment.sample(150, seed=5) if len(s.words) <= 40]
    n = sum(len(s.words) + 1 for s in sentences)
    (tokens,) = CODE.padded([CODE.encode(s.words) for s in sentences])
    with torch.no_grad():
        loss = CODE.next_word_loss(model, tokens).item()
    exact = fragment.cross_entropy(sentences) * len(sentences) / n
    assert exact < loss < 1.05 * exact
    written = CODE.write(model, 40, seed=1)
    assert sum(map(CODE.grammatical, written)) > 0.6 * len(written)


def test_the_kept_encoder_is_within_five_per_cent_of_the_entropy():
    model = CODE.larger(causal=False)
    model.load_state_dict(pretrained.weights("fragment-masked-word"))
    sentences = [s for s in fragment.sample(1000, seed=5) if len(s.words) <= 40]
    cloze = CODE.cloze_test(sentences, seed=5)
    entropy = torch.special.entr(cloze[-1]).sum(dim=1).mean()
    assert entropy < CODE.cloze_losses(model, *cloze).mean() < 1.05 * entropy


def test_the_loss_to_expect_is_least_for_the_truth():
    sentences = fragment.sample(20, seed=6)
    tokens, hide, exact = CODE.cloze_test(sentences, seed=6)
    assert hide.any(dim=1).all() and not hide[tokens <= CODE.MASK].any()
    assert torch.allclose(exact.sum(dim=1), torch.ones(len(exact)))
    assert (exact[range(len(exact)), tokens[hide]] > 0).all()

    class Knowing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.ends = SimpleNamespace(score=lambda h: exact.clamp(min=1e-30).log())

        def hidden(self, tokens):
            assert (tokens[hide] == CODE.MASK).all()
            return torch.zeros(*tokens.shape, 1)

    losses = CODE.cloze_losses(Knowing(), tokens, hide, exact)
    assert torch.allclose(losses, torch.special.entr(exact).sum(dim=1), atol=1e-4)


def test_names_of_kept_weights():
    assert pretrained.available() == ("fragment-masked-word", "fragment-next-word")
    with pytest.raises(ValueError, match="name is 'x': expected one of fragment-masked-word"):
        pretrained.weights("x")

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlbook import data
from dlbook.data.fetch import locate
from dlbook.data.sources import files
from dlbook.data.treebanks import UPOS, Sentence, parse_conllu, read_conllu

TEXT = """\
# sent_id = 1
# text = They don't walk.
1\tThey\tthey\tPRON\tPRP\tNumber=Plur|Person=3\t4\tnsubj\t4:nsubj\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t4:aux\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t4:advmod\t_
4\twalk\twalk\tVERB\tVB\tVerbForm=Inf\t0\troot\t0:root\tSpaceAfter=No
4.1\twalking\twalk\tVERB\tVBG\t_\t_\t_\t4:conj\t_
5\t.\t.\tPUNCT\t.\t_\t4\tpunct\t4:punct\t_

1\tNew  York\tNew York\tPROPN\tNNP\t_\t0\troot\t0:root\t_

"""


def parse(text):
    return list(parse_conllu(text.splitlines(keepends=True), name="sample.conllu"))


def test_ranges_and_empty_nodes_are_no_words():
    first, second = parse(TEXT)
    assert first == Sentence(
        words=("They", "do", "n't", "walk", "."),
        tags=("PRON", "AUX", "PART", "VERB", "PUNCT"),
        heads=(4, 4, 4, 0, 4),
        relations=("nsubj", "aux", "advmod", "root", "punct"),
        lemmas=("they", "do", "not", "walk", "."),
        features=("Number=Plur|Person=3", "", "", "VerbForm=Inf", ""),
    )
    assert second.words == ("New  York",)
    assert len(first) == 5
    assert str(first) == "They do n't walk ."


@pytest.mark.parametrize(
    ("line", "changed", "reason"),
    [
        (3, "1 They they PRON PRP _ 4 nsubj _ _", "10 columns"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\t4\tnsubj\t_", "10 columns"),
        (3, "x\tThey\tthey\tPRON\tPRP\t_\t4\tnsubj\t_\t_", "ID"),
        (3, "_\tThey\tthey\tPRON\tPRP\t_\t4\tnsubj\t_\t_", "ID"),
        (3, "1\t\tthey\tPRON\tPRP\t_\t4\tnsubj\t_\t_", "empty"),
        (3, "1\tThey\tthey\tpronoun\tPRP\t_\t4\tnsubj\t_\t_", "pronoun"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\tfour\tnsubj\t_\t_", "four"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\t_\tnsubj\t_\t_", "head"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\t-4\tnsubj\t_\t_", "head"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\t6\tnsubj\t_\t_", "sentence of 5"),
        (3, "1\tThey\tthey\tPRON\tPRP\t_\t4\t_\t_\t_", "relation"),
        (5, "4\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_", "expected word 2"),
    ],
)
def test_a_malformed_line_is_named(line, changed, reason):
    lines = TEXT.splitlines()
    lines[line - 1] = changed
    with pytest.raises(ValueError, match=rf"sample\.conllu, line {line}: .*{reason}"):
        parse("\n".join(lines) + "\n")


@pytest.mark.parametrize("head", [1, 2, 0])  # itself, in a circle, a second root
def test_heads_must_form_a_tree(head):
    lines = TEXT.splitlines()
    lines[2] = f"1\tThey\tthey\tPRON\tPRP\t_\t{head}\tnsubj\t_\t_"
    lines[4] = "2\tdo\tdo\tAUX\tVBP\t_\t1\taux\t_\t_"
    with pytest.raises(ValueError, match=r"lines 3 to 9: .*tree"):
        parse("\n".join(lines))


def test_a_file_that_ends_within_a_sentence_is_refused(tmp_path):
    path = tmp_path / "cut.conllu"
    path.write_text(TEXT.rstrip("\n") + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"cut\.conllu, line 11: .*ends within"):
        list(read_conllu(path))


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "latin.conllu"
    path.write_bytes(TEXT.replace("They", "Thé").encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.conllu is not UTF-8"):
        list(read_conllu(path))


def test_a_sentence_may_lack_annotation_but_not_half_of_it():
    assert Sentence(("girls", "walk"), ("NOUN", "VERB")).heads == ()
    with pytest.raises(ValueError, match="tags has 1 entries: expected 2 or none"):
        Sentence(("girls", "walk"), ("NOUN",))


word = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8)


@st.composite
def trees(draw):
    """Heads of a random tree: hang every word below one that is in the tree already."""
    n_words = draw(st.integers(1, 8))
    order = draw(st.permutations(range(1, n_words + 1)))
    heads = [0] * n_words
    for i, position in enumerate(order[1:], start=1):
        heads[position - 1] = order[draw(st.integers(0, i - 1))]
    return tuple(heads)


@st.composite
def sentences(draw):
    heads = draw(trees())

    def column(entries):
        return tuple(draw(st.lists(entries, min_size=len(heads), max_size=len(heads))))

    return Sentence(
        words=column(word),
        tags=column(st.sampled_from(UPOS)),
        heads=heads,
        relations=column(st.sampled_from(("nsubj", "obj", "nmod:poss"))),
        lemmas=column(word),
        features=column(st.sampled_from(("", "Number=Sing", "Case=Nom|Gender=Fem"))),
    )


def conllu(sentence, skipped):
    """Write a sentence, with a range before and an empty node after the words in `skipped`."""
    lines = ["# text = a comment\twith a tab"]
    columns = zip(
        sentence.words,
        sentence.lemmas,
        sentence.tags,
        sentence.features,
        sentence.heads,
        sentence.relations,
        strict=True,
    )
    for i, (form, lemma, tag, features, head, relation) in enumerate(columns, start=1):
        if i in skipped:
            lines.append(f"{i}-{i + 1}\tboth" + "\t_" * 8)
        lines.append(f"{i}\t{form}\t{lemma}\t{tag}\t_\t{features or '_'}\t{head}\t{relation}\t_\t_")
        if i in skipped:
            lines.append(f"{i}.1\tunsaid" + "\t_" * 8)
    return "\n".join(lines) + "\n\n"


@given(st.lists(sentences(), max_size=3), st.sets(st.integers(1, 8)))
def test_what_is_written_is_read(written, skipped):
    text = "".join(conllu(sentence, skipped) for sentence in written)
    assert list(parse_conllu(text.split("\n"))) == written


@given(sentences(), st.data())
def test_a_line_cut_short_is_never_read(sentence, data_):
    lines = conllu(sentence, ()).split("\n")
    number = data_.draw(st.integers(2, len(sentence) + 1))
    line = lines[number - 1]
    lines[number - 1] = line[: data_.draw(st.integers(1, line.rindex("\t")))]
    with pytest.raises(ValueError, match=rf"^CoNLL-U, line {number}: "):
        list(parse_conllu(lines))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="name is 'ptb': expected 'ewt'"):
        data.treebank("ptb", "train")
    with pytest.raises(ValueError, match="split is 'validation'"):
        data.treebank("ewt", "validation")


needs_ewt = pytest.mark.skipif(
    not data.available("ewt", fetch=False), reason="the treebank is not on this machine"
)


@needs_ewt
@pytest.mark.parametrize(
    ("split", "n_sentences", "n_words"),
    [("train", 12_544, 204_577), ("dev", 2_001, 25_147), ("test", 2_077, 25_094)],
)
def test_the_treebank_has_its_published_size(split, n_sentences, n_words):
    sentences = data.treebank("ewt", split)
    assert len(sentences) == n_sentences
    assert sum(map(len, sentences)) == n_words
    assert {tag for sentence in sentences for tag in sentence.tags} == set(UPOS)
    relations = {relation for sentence in sentences for relation in sentence.relations}
    assert all(re.fullmatch(r"[a-z]+(:[a-z]+)?", relation) for relation in relations)


@needs_ewt
def test_the_training_part_is_read_in_seconds_and_only_once():
    (source,) = files("ewt", "train")
    start = time.process_time()
    assert len(list(read_conllu(locate(source)))) == 12_544
    assert time.process_time() - start < 8
    assert data.treebank("ewt", "train") is data.treebank("ewt", "train")

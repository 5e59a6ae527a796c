import contextlib
import hashlib
import itertools
import math
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from dlbook import fragment
from dlbook.fragment import inference
from dlbook.fragment.grammar import START, entries
from dlbook.fragment.meaning import find_antecedents, logical_form

SHORT = [
    "fish",
    "the girls walk",
    "the girls take a walk",
    "the girls take a look .",
    "they saw her walk",
    "the patient drinks .",
    "a present light",
    "like fish",
    "the cook 's patient",
    "they know that fish swam",
    "the boy that they saw walks fast",
    "she saw the boy with a watch",
    "fish and the cats like fish .",
    "the book the girl likes burned",
    "she gave him a book after the play",
    "she wants to fish in the river",
]


@pytest.fixture(scope="module")
def sentences():
    return fragment.sample(300, 2024)


@pytest.fixture(scope="module")
def posteriors(sentences):
    return [fragment.tag_posterior(s.words) for s in sentences]


@pytest.fixture(scope="module")
def many():
    return fragment.sample(6000, 7)


# --- The grammar ---------------------------------------------------------------------------------


def test_probabilities_sum_to_one_for_every_category():
    totals = defaultdict(list)
    for rule in fragment.rules():
        assert 0 < rule.probability <= 1
        totals[rule.left].append(rule.probability)
    for left, probabilities in totals.items():
        assert math.fsum(probabilities) == pytest.approx(1, abs=1e-12), left


def test_every_category_is_defined_and_reached():
    defined = {rule.left for rule in fragment.rules()}
    used = {c for rule in fragment.rules() if rule.left not in entries() for c in rule.right}
    assert used | {START} == defined


def test_each_rule_has_one_head():
    for rule in fragment.rules():
        assert rule.relations.count("") == 1
        assert len(rule.relations) == len(rule.right)


def test_sentences_end_and_have_the_length_that_the_grammar_says(many):
    expected, radius = expected_length()
    assert radius < 1  # so that derivations end with probability one
    assert 8 <= expected <= 10
    lengths = np.array([len(s.words) for s in many])
    assert abs(lengths.mean() - expected) < 4 * lengths.std() / math.sqrt(len(lengths))
    assert np.mean(lengths > 30) < 0.03


def test_there_are_enough_words_and_enough_ambiguity():
    lexicon = fragment.lexicon()
    ambiguous = {word for word, tags in lexicon.items() if len(tags) > 1}
    assert len(lexicon) >= 300
    assert len(ambiguous) >= 20
    assert {"the", "a", "girls", "walk", "take", "look"} <= lexicon.keys()
    assert lexicon["walk"] == lexicon["look"] == lexicon["take"] == {"NOUN", "VERB"}
    assert lexicon["that"] == {"DET", "PRON", "SCONJ"}
    assert lexicon["to"] == {"ADP", "PART"}
    assert lexicon["'s"] == {"AUX", "PART"}
    assert lexicon["light"] == {"ADJ", "NOUN", "VERB"}
    assert set().union(*lexicon.values()) == set(fragment.TAGS)


def test_a_or_an(many):
    for s in many:
        for article, word in itertools.pairwise(s.words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), s


# --- Sentences -----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_sentences_everywhere():
    drawn = fragment.sample(100, 0)
    assert drawn == fragment.sample(100, 0)
    assert drawn[:10] == fragment.sample(10, 0)
    assert drawn != fragment.sample(100, 1)
    fingerprint = hashlib.sha256(repr(drawn).encode()).hexdigest()
    assert fingerprint[:16] == "79d93ee9e6bfd2d3"


def test_a_generator_goes_on_where_it_was():
    generator = np.random.default_rng(0)
    assert fragment.sample(3, generator) + fragment.sample(4, generator) == fragment.sample(7, 0)


def test_trees_have_the_words_as_leaves_and_the_tags_above_them(many):
    for s in many:
        assert tuple(s.tree.leaves()) == s.words
        assert tuple(s.tree.preterminals()) == s.tags
        assert all(tag in fragment.lexicon()[w] for w, tag in zip(s.words, s.tags, strict=True))


def test_trees_are_printed_in_brackets_and_read_back(sentences):
    for s in sentences:
        assert read_tree(str(s.tree)) == s.tree
        assert s.tree.spans()[0] == ("TOP", 0, len(s.words))
        assert str(s.tree).count("(") == len(s.tree.spans()) + len(s.words)


def test_spans_are_nested_or_apart(sentences):
    for s in sentences:
        spans = [(i, k) for _, i, k in s.tree.spans()]
        for (a, b), (c, d) in itertools.combinations(spans, 2):
            assert b <= c or d <= a or (a <= c and d <= b) or (c <= a and b <= d)


def test_heads_form_a_projective_tree_with_one_root(many):
    for s in many:
        n = len(s.words)
        assert s.heads.count(0) == 1
        assert s.relations[s.heads.index(0)] == "root"
        above = [ancestors(s.heads, i) for i in range(1, n + 1)]
        for i, head in enumerate(s.heads, start=1):
            if head:
                between = range(min(i, head) + 1, max(i, head))
                assert all(head in above[k - 1] for k in between), s


def test_dependents_stay_in_the_constituent_of_their_head(sentences):
    """The two analyses agree: each constituent has one word whose head is outside."""
    for s in sentences:
        for _, i, k in s.tree.spans():
            assert sum(not i < head <= k for head in s.heads[i:k]) == 1, s


def test_subject_and_auxiliary_agree(many):
    number = {"is": "sg", "was": "sg", "does": "sg", "are": "pl", "were": "pl", "do": "pl"}
    seen = Counter()
    for s in many:
        for auxiliary, head, tag in zip(s.words, s.heads, s.tags, strict=True):
            if tag == "AUX" and auxiliary in number:
                for subject in dependents(s, head, "nsubj"):
                    if s.tags[subject - 1] in ("NOUN", "PROPN"):
                        group = dependents(s, subject, "conj")
                        found = "pl" if group else s.numbers[subject - 1]
                        assert found == number[auxiliary], s
                        seen[auxiliary] += 1
    assert min(seen[word] for word in number) > 20


def test_the_constructions_are_there(many):
    relations = {relation for s in many for relation in s.relations}
    assert relations >= {
        "root", "nsubj", "obj", "iobj", "obl", "nmod", "nmod:poss", "det", "amod", "advmod", "case",
        "mark", "aux", "cop", "conj", "cc", "acl:relcl", "ccomp", "xcomp", "advcl", "punct",
        "compound", "nummod",
    }  # fmt: skip


# --- Coreference and logical form ----------------------------------------------------------------


def test_antecedents_come_before_and_agree(many):
    n_found = 0
    for s in many:
        for pronoun, antecedent in s.antecedents.items():
            n_found += 1
            assert antecedent < pronoun
            assert antecedent not in s.antecedents  # chains lead to their first mention
            if s.tags[antecedent - 1] == "PRON":
                assert s.lemmas[antecedent - 1] == s.lemmas[pronoun - 1]
                continue
            assert s.tags[antecedent - 1] in ("NOUN", "PROPN")
            numbers = s.numbers[pronoun - 1], s.numbers[antecedent - 1]
            group = numbers[0] == "pl" and dependents(s, antecedent, "conj")
            assert numbers[0] == numbers[1] or group, s
            gender = {"he": "mc", "she": "fc", "it": "n", "they": "fmcn"}[s.lemmas[pronoun - 1]]
            assert s.genders[antecedent - 1] in gender, s
    assert n_found > 800


LOVES = "VT[sg,human,human]"


@pytest.mark.parametrize(
    ("analysis", "antecedents", "form"),
    [
        (
            f"Anna PROPN 2 nsubj/loves {LOVES} 0 root/her PACC[sg,human] 2 obj",
            {},
            "Anna(x1) & love(e2) & agent(e2,x1) & theme(e2,x3) & she(x3)",
        ),
        (
            f"Anna PROPN 2 nsubj/loves {LOVES} 0 root/her PPOSS 4 nmod:poss/"
            "brother N[sg,human,c] 2 obj",
            {3: 1},
            "Anna(x1) & love(e2) & agent(e2,x1) & theme(e2,x4) & of(x4,x1) & brother(x4)",
        ),
        (  # the unspoken subject of an infinitive counts as an argument
            "Anna PROPN 2 nsubj/wants VWANT[sg] 0 root/to INF 4 mark/"
            "see VT[bare,human,human] 2 xcomp/her PACC[sg,human] 4 obj",
            {},
            "Anna(x1) & want(e2) & agent(e2,x1) & content(e2,e4) & see(e4) & agent(e4,x1)"
            " & theme(e4,x5) & she(x5)",
        ),
        (  # a clause of its own: the pronoun is free to refer to the subject above
            "Tom PROPN 2 nsubj/thinks VSAY[sg] 0 root/that THAT 5 mark/"
            "he PNOM[sg,human] 5 nsubj/walks VI[sg,human] 2 ccomp",
            {4: 1},
            "Tom(x1) & think(e2) & agent(e2,x1) & content(e2,e5) & walk(e5) & agent(e5,x1)",
        ),
        (  # not the girl, whom the relative pronoun stands for
            f"the DET[sg] 2 det/girl N[sg,human,c] 0 root/that REL[human] 5 obj/"
            f"she PNOM[sg,human] 5 nsubj/loves {LOVES} 2 acl:relcl",
            {},
            "the(x2) & girl(x2) & she(x4) & love(e5) & agent(e5,x4) & theme(e5,x2)",
        ),
        (  # the same without the relative pronoun
            f"the DET[sg] 2 det/girl N[sg,human,c] 0 root/she PNOM[sg,human] 4 nsubj/"
            f"loves {LOVES} 2 acl:relcl",
            {},
            "the(x2) & girl(x2) & she(x3) & love(e4) & agent(e4,x3) & theme(e4,x2)",
        ),
        (  # a plural pronoun and a coordination that is over; a number that does not agree
            "Anna PROPN 4 nsubj/and AND 3 cc/Tom PROPN 1 conj/walked VI[past,human] 0 root/"
            "because SUB 7 mark/they PNOM[pl,human] 7 nsubj/dream VI[pl,human] 4 advcl",
            {6: 1},
            "Anna(x1) & and(g1,x1,x3) & Tom(x3) & walk(e4) & past(e4) & agent(e4,g1)"
            " & because(e4,e7) & dream(e7) & agent(e7,g1)",
        ),
        (  # the nearest subject goes before the nearer object
            f"Anna PROPN 2 nsubj/loves {LOVES} 0 root/Mary PROPN 2 obj/because SUB 6 mark/"
            "she PNOM[sg,human] 6 nsubj/dreams VI[sg,human] 2 advcl",
            {5: 1},
            "Anna(x1) & love(e2) & agent(e2,x1) & theme(e2,x3) & Mary(x3) & because(e2,e6)"
            " & dream(e6) & agent(e6,x1)",
        ),
        (  # the same pronoun again
            f"she PNOM[sg,human] 2 nsubj/loves {LOVES} 0 root/her PPOSS 4 nmod:poss/"
            "brother N[sg,human,c] 2 obj",
            {3: 1},
            "she(x1) & love(e2) & agent(e2,x1) & theme(e2,x4) & of(x4,x1) & brother(x4)",
        ),
        (  # a chain: the last pronoun cannot be Tom, since "he" is
            "Tom PROPN 2 nsubj/thinks VSAY[sg] 0 root/he PNOM[sg,human] 4 nsubj/"
            f"loves {LOVES} 2 ccomp/him PACC[sg,human] 4 obj",
            {3: 1},
            "Tom(x1) & think(e2) & agent(e2,x1) & content(e2,e4) & love(e4) & agent(e4,x1)"
            " & theme(e4,x5) & he(x5)",
        ),
        (  # shared subject, negation, tense
            "she PNOM[sg,human] 4 nsubj/did DO[sg] 4 aux/not NOT 4 advmod/"
            "walk VI[bare,human] 0 root/but CC 6 cc/ran VI[past,human] 4 conj",
            {},
            "she(x1) & past(e4) & not(e4) & walk(e4) & agent(e4,x1) & but(e4,e6) & run(e6)"
            " & past(e6) & agent(e6,x1)",
        ),
    ],
)
def test_coreference_and_logical_form_by_hand(analysis, antecedents, form):
    words, heads, relations = read_analysis(analysis)
    found, groups = find_antecedents(words, heads, relations)
    assert found == antecedents
    assert logical_form(words, heads, relations, found, groups) == form


def test_both_ways_of_giving_mean_the_same():
    give = "we PNOM[pl,human] 2 nsubj/gave VD[past] 0 root/"
    forms = [
        read_analysis(give + "Tom PROPN 2 iobj/books N[pl,thing,c] 2 obj"),
        read_analysis(give + "books N[pl,thing,c] 2 obj/to TO 5 case/Tom PROPN 2 obl"),
    ]
    meanings = []
    for analysis, (tom, books) in zip(forms, [("x3", "x4"), ("x5", "x3")], strict=True):
        form = logical_form(*analysis, {}, set())
        named = re.sub(tom, "TOM", re.sub(books, "BOOKS", form))
        meanings.append(set(named.split(" & ")))
    assert meanings[0] == meanings[1]
    assert "recipient(e2,TOM)" in meanings[0]


def test_logical_form_is_read_back_and_holds_every_content_word(many):
    for s in many:
        atoms = read_form(s.logical_form)
        assert " & ".join(f"{name}({','.join(args)})" for name, args in atoms) == s.logical_form
        assert len(set(atoms)) >= len(atoms) - sum(tag in ("ADJ", "ADV") for tag in s.tags)
        for i, (lemma, tag) in enumerate(zip(s.lemmas, s.tags, strict=True), start=1):
            if tag in ("NOUN", "PROPN", "VERB"):
                assert (lemma, (f"{'e' if tag == 'VERB' else 'x'}{i}",)) in atoms, s
            elif tag in ("ADJ", "ADV"):
                assert any(name == lemma and len(args) == 1 for name, args in atoms), s


def test_every_variable_of_a_logical_form_is_introduced(many):
    for s in many:
        atoms = read_form(s.logical_form)
        used = {variable for _, args in atoms for variable in args}
        introduced = {args[0] for name, args in atoms if len(args) == 1 or args[0][0] == "g"}
        assert used == introduced, s
        for pronoun in s.antecedents:
            assert f"x{pronoun}" not in used, s


# --- Exact inference -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", SHORT)
def test_posterior_and_probability_equal_enumeration(text):
    assert disagreement(text.split()) < 1e-12


def test_the_comparison_with_enumeration_catches_a_wrong_algorithm(monkeypatch):
    """Chains of at most two unary rules instead of all: a mistake that is easily made."""
    grammar = inference._grammar()
    unary = np.eye(len(grammar.chains)) - np.linalg.inv(grammar.chains)
    wrong = type(grammar)(**vars(grammar))
    wrong.chains = np.eye(len(unary)) + unary + unary @ unary
    monkeypatch.setattr(inference, "_grammar", lambda: wrong)
    with contextlib.suppress(ValueError):  # probability zero would be a mistake caught, too
        assert disagreement(SHORT[11].split()) > 1e-6


@pytest.mark.parametrize("frame", ["_", "_ .", "the _", "the girls _", "they saw her _", "_ walks"])
def test_strings_share_the_probability_of_their_frame(frame):
    """The probabilities of all strings that fit a frame sum to that of the frame."""
    total = 0.0
    for word in fragment.lexicon():
        try:
            total += math.exp(fragment.log_probability(frame.replace("_", word).split()))
        except ValueError:
            continue
    expected = math.fsum(p for p, _ in derivations(frame.split()))
    assert total == pytest.approx(expected, rel=1e-10)


def test_posterior_rows_are_distributions_over_tags_of_the_lexicon(sentences, posteriors):
    lexicon = fragment.lexicon()
    for s, posterior in zip(sentences, posteriors, strict=True):
        assert posterior.shape == (len(s.words), len(fragment.TAGS))
        assert (posterior >= 0).all()
        assert posterior.sum(axis=1) == pytest.approx(1, abs=1e-12)
        for word, tag, row in zip(s.words, s.tags, posterior, strict=True):
            assert row[fragment.TAGS.index(tag)] > 0
            assert {fragment.TAGS[k] for k in np.flatnonzero(row)} <= lexicon[word]


def test_posterior_is_the_frequency_of_tags_among_equal_strings():
    """Two readings of one string, in proportion, among drawn commands and fragments."""
    drawn = fragment.sample(15_000, 11)
    by_string = defaultdict(Counter)
    for s in drawn:
        if len(s.words) <= 2:
            by_string[s.words][s.tags] += 1
    variance = expected = hits = 0
    for words, counts in by_string.items():
        first = fragment.tag_posterior(words)[0]
        p = first[fragment.TAGS.index("NOUN")]
        if 0.01 < p < 0.99:
            n = counts.total()
            hits += sum(c for tags, c in counts.items() if tags[0] == "NOUN")
            expected += n * p
            variance += n * p * (1 - p)
    assert variance > 1.5
    assert abs(hits - expected) < 3 * math.sqrt(variance)


def test_best_tagger_is_as_accurate_as_it_says_and_none_is_better(sentences, posteriors, many):
    best = np.concatenate([p.max(axis=1) for p in posteriors])
    assert fragment.best_accuracy(sentences[:20]) == pytest.approx(
        np.concatenate([p.max(axis=1) for p in posteriors[:20]]).mean()
    )
    gold = [tag for s in sentences for tag in s.tags]
    tags = [fragment.TAGS[k] for p in posteriors for k in p.argmax(axis=1)]
    accuracy = np.mean([a == b for a, b in zip(gold, tags, strict=True)])
    standard_error = math.sqrt(np.sum(best * (1 - best))) / len(best)
    assert abs(accuracy - best.mean()) < 3 * standard_error
    assert best.mean() < 0.9995  # some words stay ambiguous whatever one knows

    counts = defaultdict(Counter)
    for s in many:
        for word, tag in zip(s.words, s.tags, strict=True):
            counts[word][tag] += 1
    by_word = [counts[w].most_common(1)[0][0] for s in sentences for w in s.words]
    word_only = np.mean([a == b for a, b in zip(gold, by_word, strict=True)])
    bigram = np.mean([a == b for a, b in zip(gold, bigram_tags(many, sentences), strict=True)])
    assert 0.85 < word_only < bigram - 0.02 < accuracy - 0.02


@pytest.mark.parametrize(
    ("text", "place", "tag"),
    [
        ("the girls walk", 2, "VERB"),
        ("the girls take a walk", 4, "NOUN"),
        ("they like to dance", 2, "PART"),
        ("they walk to the park", 2, "ADP"),
        ("the girl 's book burned", 2, "PART"),
        ("the girl 's happy .", 2, "AUX"),
        ("they know that girls dream", 2, "SCONJ"),
        ("that fish swims", 0, "DET"),
        ("the fish that swims", 2, "PRON"),
    ],
)
def test_context_decides(text, place, tag):
    assert fragment.best_tags(text.split())[place] == tag


def test_prepositional_phrases_attach_to_the_noun_or_the_verb():
    """Both analyses of a sentence are found, though the tags are the same."""
    analyses = derivations(SHORT[11].split())
    assert len({tags for _, tags in analyses}) == 1
    assert len(analyses) > 1


@pytest.mark.parametrize("text", SHORT)
def test_next_words_multiply_to_the_probability_of_the_sentence(text):
    words = text.split()
    log_probability = 0.0
    for k, word in enumerate([*words, fragment.END]):
        following = fragment.next_word_probabilities(words[:k])
        assert math.fsum(following.values()) == pytest.approx(1)
        log_probability += math.log(following[word])
    assert log_probability == pytest.approx(fragment.log_probability(words), abs=1e-9)


def test_first_words_are_as_frequent_as_predicted(many):
    expected = fragment.next_word_probabilities([])
    counts = Counter(s.words[0] for s in many)
    assert counts.keys() <= expected.keys()
    common = [word for word, p in expected.items() if p * len(many) >= 10]
    z2 = sum((counts[w] - len(many) * expected[w]) ** 2 / (len(many) * expected[w]) for w in common)
    assert abs(z2 - len(common)) < 4 * math.sqrt(2 * len(common))  # chi-squared


def test_long_sentences_do_not_underflow():
    words = ["we", *["think", "that", "we"] * 30, "walk"]
    assert math.isfinite(fragment.log_probability(words))
    assert fragment.tag_posterior(words).sum(axis=1) == pytest.approx(1)


def test_cross_entropy_is_the_mean_of_minus_the_log_probability(sentences):
    few = sentences[:15]
    expected = -np.mean([fragment.log_probability(s.words) for s in few])
    assert fragment.cross_entropy(few) == pytest.approx(expected)


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        fragment.tag_posterior,
        fragment.best_tags,
        fragment.log_probability,
        fragment.next_word_probabilities,
    ],
)
def test_words_outside_the_fragment_are_named(function):
    with pytest.raises(ValueError, match="'zebra' is not in the lexicon"):
        function(["the", "zebra", "walks"])
    with pytest.raises(ValueError, match="'the the walk'"):
        function(["the", "the", "walk"])
    with pytest.raises(TypeError, match="sequence of words"):
        function("the girls walk")


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="at least one word"):
        fragment.tag_posterior([])
    with pytest.raises(ValueError, match="at least one sentence"):
        fragment.best_accuracy([])
    with pytest.raises(ValueError, match="at least one sentence"):
        fragment.cross_entropy([])
    assert fragment.sample(0, 0) == []


@pytest.mark.parametrize("n", [-1, 1.5, True, "3"])
def test_a_wrong_number_of_sentences_is_refused(n):
    with pytest.raises(ValueError, match="n: "):
        fragment.sample(n, 0)


@pytest.mark.parametrize("seed", [None, 0.5, "0", True])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(TypeError, match="seed: "):
        fragment.sample(1, seed)


# --- Tools ---------------------------------------------------------------------------------------


def derivations(words):
    """Probability and tags of every derivation of a string, by exhaustion; "_" fits any word."""
    by_left = defaultdict(list)
    for rule in fragment.rules():
        by_left[rule.left].append(rule)
    memory = {}

    def of(category, i, k):
        if (category, i, k) not in memory:
            found = []
            if category in entries():
                if k == i + 1:
                    of_category = entries()[category]
                    fitting = [e for e in of_category if words[i] in (e.word, "_")]
                    if fitting:
                        found = [(math.fsum(e.probability for e in fitting), (fitting[0].tag,))]
            else:
                for rule in by_left[category]:
                    found += [(rule.probability * p, t) for p, t in sequence(rule.right, i, k)]
            memory[category, i, k] = found
        return memory[category, i, k]

    def sequence(categories, i, k):
        first, *rest = categories
        if not rest:
            return of(first, i, k)
        return [
            (p * q, tags + more)
            for middle in range(i + 1, k - len(rest) + 1)
            for p, tags in of(first, i, middle)
            for q, more in sequence(rest, middle, k)
        ]

    return of(START, 0, len(words))


def disagreement(words):
    """Largest difference between exact inference and the enumeration of all derivations."""
    analyses = derivations(words)
    total = math.fsum(p for p, _ in analyses)
    expected = np.zeros((len(words), len(fragment.TAGS)))
    for p, tags in analyses:
        for row, tag in zip(expected, tags, strict=True):
            row[fragment.TAGS.index(tag)] += p / total
    posterior = fragment.tag_posterior(words)
    ratio = math.exp(fragment.log_probability(words) - math.log(total))
    return max(np.abs(posterior - expected).max(), abs(ratio - 1))


def expected_length():
    """Mean number of words of a sentence and the spectral radius of the mean of daughters."""
    code = {left: k for k, left in enumerate(dict.fromkeys(r.left for r in fragment.rules()))}
    daughters, words = np.zeros((len(code), len(code))), np.zeros(len(code))
    for rule in fragment.rules():
        if rule.left in entries():
            words[code[rule.left]] = 1
        else:
            for category in rule.right:
                daughters[code[rule.left], code[category]] += rule.probability
    radius = np.abs(np.linalg.eigvals(daughters)).max()
    return np.linalg.solve(np.eye(len(code)) - daughters, words)[code[START]], radius


def bigram_tags(train, test):
    """Viterbi with add-one transitions, counted on the training sentences."""
    code = {tag: k for k, tag in enumerate(fragment.TAGS)}
    n = len(code)
    transitions, emissions = np.ones((n + 1, n + 1)), defaultdict(lambda: np.full(n, 1e-3))
    for s in train:
        tags = [n, *(code[tag] for tag in s.tags), n]
        for a, b in itertools.pairwise(tags):
            transitions[a, b] += 1
        for word, tag in zip(s.words, s.tags, strict=True):
            emissions[word][code[tag]] += 1
    frequency = sum(emissions.values())
    log_a = np.log(transitions / transitions.sum(axis=1, keepdims=True))
    tags = []
    for s in test:
        scores, back = log_a[n, :n] + np.log(emissions[s.words[0]] / frequency), []
        for word in s.words[1:]:
            paths = scores[:, None] + log_a[:n, :n]
            back.append(paths.argmax(axis=0))
            scores = paths.max(axis=0) + np.log(emissions[word] / frequency)
        path = [int((scores + log_a[:n, n]).argmax())]
        for pointers in reversed(back):
            path.append(int(pointers[path[-1]]))
        tags += [fragment.TAGS[k] for k in reversed(path)]
    return tags


def ancestors(heads, i):
    found = set()
    while i:
        i = heads[i - 1]
        assert i not in found, "cycle"
        found.add(i)
    return found


def dependents(sentence, head, relation):
    pairs = zip(sentence.heads, sentence.relations, strict=True)
    return [i for i, pair in enumerate(pairs, start=1) if pair == (head, relation)]


def read_tree(text):
    tokens = iter(re.findall(r"\(|\)|[^\s()]+", text))

    def tree():
        label, children = next(tokens), []
        for token in tokens:
            if token == ")":
                return fragment.Tree(label, tuple(children))
            children.append(tree() if token == "(" else token)
        raise ValueError("unbalanced")

    assert next(tokens) == "("
    return tree()


def read_form(text):
    atoms = []
    for atom in text.split(" & "):
        name, args = re.fullmatch(r"(\w+)\(([xeg]\d+(?:,[xeg]\d+)*)\)", atom).groups()
        atoms.append((name, tuple(args.split(","))))
    return atoms


def read_analysis(text):
    words, heads, relations = [], [], []
    for item in text.split("/"):
        word, category, head, relation = item.split()
        words.append(next(e for e in entries()[category] if e.word == word))
        heads.append(int(head))
        relations.append(relation)
    return words, heads, relations


# --- Hidden words --------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", ["the girls walk", "like fish", "they saw her walk"])
def test_a_hidden_word_is_found_by_trying_all(sentence):
    words = sentence.split()
    for i in range(len(words)):
        hidden = [None if k == i else word for k, word in enumerate(words)]
        (found,) = fragment.masked_word_probabilities(hidden)
        tried = probabilities_of([[*words[:i], w, *words[i + 1 :]] for w in fragment.lexicon()])
        tried = {w: p for w, p in zip(fragment.lexicon(), tried, strict=True) if p}
        assert found.keys() == tried.keys()
        total = math.fsum(tried.values())
        assert all(p == pytest.approx(tried[w] / total, rel=1e-9) for w, p in found.items())
        assert list(found.values()) == sorted(found.values(), reverse=True)


def probabilities_of(sentences):
    found = []
    for words in sentences:
        with contextlib.suppress(ValueError):
            found.append(math.exp(fragment.log_probability(words)))
            continue
        found.append(0.0)
    return found


def test_hidden_words_sum_over_each_other():
    """P(first) is the sum over the second word of P(first and second)."""
    first, second = fragment.masked_word_probabilities(["the", None, None, "."])
    assert math.fsum(first.values()) == pytest.approx(1)
    (given,) = fragment.masked_word_probabilities(["the", "girls", None, "."])
    (back,) = fragment.masked_word_probabilities(["the", None, "walk", "."])
    # P(girls) P(walk | girls) = P(walk) P(girls | walk)
    assert first["girls"] * given["walk"] == pytest.approx(second["walk"] * back["girls"], rel=1e-9)


def test_all_words_can_be_hidden_and_none():
    (only,) = fragment.masked_word_probabilities([None])
    single = probabilities_of([[w] for w in fragment.lexicon()])
    assert only["fish"] == pytest.approx(
        math.exp(fragment.log_probability(["fish"])) / math.fsum(single)
    )
    assert fragment.masked_word_probabilities(["fish"]) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "at least one word"),
        (["xyzzy", None], "'xyzzy' is not in the lexicon"),
        (["the", "the", None], "'the the …' is not a sentence"),
    ],
)
def test_hidden_words_in_nonsense_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        fragment.masked_word_probabilities(words)

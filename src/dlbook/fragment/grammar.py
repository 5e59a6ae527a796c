"""The grammar of the fragment, as data: its rules, its words and their probabilities.

A rule is a line ``category weight daughters``. A daughter without a colon is the head; the others
name their relation to it (Universal Dependencies). Features stand in brackets. Capitals are
variables: one that stands on the left, too, takes each of its values in turn; one that stands only
on the right is drawn with the probabilities in `DRAWN`. The weights of the rules of one category
are divided by their sum.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import fsum, prod

__all__ = ["TAGS", "Entry", "Rule", "entries", "lexicon", "rules"]

TAGS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT",
    "SCONJ", "VERB",
)  # fmt: skip

START = "TOP"

VALUES = {
    "N": ("sg", "pl"),  # number
    "F": ("sg", "pl", "past", "bare"),  # form of a verb; sg and pl are the present tense
    "S": ("human", "animal", "food", "thing", "place", "event"),  # sort of thing a noun stands for
    "K": ("human", "animal"),  # sort of who acts
    "X": ("food", "thing", "place", "event"),
    "I": ("c", "v"),  # whether the noun phrase starts like "cat" or like "apple": a, an
    "J": ("c", "v"),
    "T": ("animal", "food", "thing", "place", "event"),  # sort of the first noun of a compound
}

DRAWN = {
    "N": (0.6, 0.4),
    "S": (0.26, 0.12, 0.13, 0.23, 0.08, 0.18),
    "K": (0.85, 0.15),
    "I": (0.85, 0.15),
    "J": (0.85, 0.15),
    "T": (0.1, 0.2, 0.25, 0.25, 0.2),
}

RULES = """
TOP            7  TEXT PUNCT:punct
TOP            3  TEXT
TEXT          85  S
TEXT           6  COMMAND
TEXT           9  NP[N,S]
COMMAND        1  VP[bare,human]
S             92  CL
S              8  CL ANDS:conj
ANDS           1  CC:cc S
CL            71  SUBJ[N,human]:nsubj PRED[N,human]
CL            12  SUBJ[N,animal]:nsubj PRED[N,animal]
CL             3  SUBJ[N,food]:nsubj PRED[N,food]
CL             6  SUBJ[N,thing]:nsubj PRED[N,thing]
CL             2  SUBJ[N,place]:nsubj PRED[N,place]
CL             4  SUBJ[N,event]:nsubj PRED[N,event]
CL             2  SBAR:advcl COMMA:punct CL

PRED[N,S]     92  PR[N,S]
PRED[N,S]      8  PR[N,S] ANDP[N,S]:conj
ANDP[N,S]      1  CC:cc PRED[N,S]
PR[N,K]       42  VP[N,K]
PR[N,K]       28  VP[past,K]
PR[N,K]        8  MODAL:aux VP[bare,K]
PR[N,K]        2  MODAL:aux NOT:advmod VP[bare,K]
PR[N,K]        5  DO[N]:aux NOT:advmod VP[bare,K]
PR[N,K]       13  COP[N]:cop AP[K]
PR[N,K]        2  COP[N]:cop NOT:advmod AP[K]
PR[N,X]       22  VP[N,X]
PR[N,X]       18  VP[past,X]
PR[N,X]        6  MODAL:aux VP[bare,X]
PR[N,X]       45  COP[N]:cop AP[X]
PR[N,X]        9  COP[N]:cop NOT:advmod AP[X]
AP[S]          8  ADJ[S,I]
AP[S]          2  DEG:advmod ADJ[S,I]

VP[F,X]        8  VI[F,X]
VP[F,X]        2  VP[F,X] ADV:advmod
VP[F,animal]  30  VI[F,animal]
VP[F,animal]  40  VT[F,animal,S] OBJ[S]:obj
VP[F,human]   20  VI[F,human]
VP[F,human]   30  VT[F,human,S] OBJ[S]:obj
VP[F,human]    4  VD[F] OBJ[human]:iobj OBJ[thing]:obj
VP[F,human]    3  VD[F] OBJ[thing]:obj TOWARDS[human]:obl
VP[F,human]    6  VSAY[F] CCOMP:ccomp
VP[F,human]    5  VWANT[F] TOVP:xcomp
VP[F,human]    2  VASK[F] OBJ[human]:obj TOVP:xcomp
VP[F,human]    4  VSEE[F] OBJ[K]:obj VP[bare,K]:xcomp
VP[F,human]    3  VLOOK[F] ATPP:obl
VP[F,human]    4  VGO[F] TOWARDS[place]:obl
VP[F,human]    2  VTALK[F] TOWARDS[human]:obl
VP[F,human]    2  VP[F,human] TOVP:advcl
VP[F,K]       13  VP[F,K] PP:obl
VP[F,K]        7  VP[F,K] ADV:advmod
VP[F,K]        3  FREQ:advmod VP[F,K]
VP[F,K]        3  VP[F,K] SBAR:advcl
CCOMP          6  THAT:mark ECL
CCOMP          4  ECL
ECL           60  CL
ECL           40  PNOM[N,human]:nsubj PRED[N,human]
TOVP           1  INF:mark VP[bare,human]
SBAR           1  SUB:mark ECL
ATPP           1  AT:case OBJ[S]
TOWARDS[human] 1  TO:case OBJ[human]
TOWARDS[place] 1  TO:case OBJ[place]
PP             5  LOC:case OBJ[place]
PP             2  WITH:case OBJ[human]
PP             2  WITH:case OBJ[thing]
PP             2  TIME:case OBJ[event]
PP             1  LIKE:case OBJ[K]

SUBJ[N,S]     72  NP[N,S]
SUBJ[N,S]     28  PNOM[N,S]
OBJ[S]        84  NP[N,S]
OBJ[S]        16  PACC[N,S]
NP[sg,S]       1  UNIT[sg,S]
NP[pl,S]      85  UNIT[pl,S]
NP[pl,S]      15  UNIT[N,S] ANDN[S]:conj
ANDN[S]        1  AND:cc NP[N,S]
UNIT[N,S]     60  MOD[N,S]
UNIT[sg,human] 30 PROPN
UNIT[N,X]      3  DEMO[N]
MOD[N,S]      86  CORE[N,S]
MOD[N,S]       7  MOD[N,S] NPP:nmod
MOD[N,S]       7  MOD[N,S] RC[N,S]:acl:relcl
NPP            6  LOC:case OBJ[place]
NPP            3  WITH:case OBJ[thing]
RC[N,S]        4  REL[S]:nsubj PRED[N,S]
RC[N,S]        3  REL[S]:obj GAP[S]
RC[N,S]        3  GAP[S]
GAP[S]         1  SUBJ[N,K]:nsubj VGAP[N,K,S]
VGAP[N,K,S]   50  VT[N,K,S]
VGAP[N,K,S]   30  VT[past,K,S]
VGAP[N,K,S]   10  MODAL:aux VT[bare,K,S]
VGAP[N,K,S]   10  FREQ:advmod VT[N,K,S]
CORE[sg,S]    45  DET[sg]:det NB[sg,S,I]
CORE[sg,S]    25  A[I]:det NB[sg,S,I]
CORE[pl,S]    40  DET[pl]:det NB[pl,S,I]
CORE[pl,S]    22  NB[pl,S,I]
CORE[pl,S]     6  NUM:nummod NB[pl,S,I]
CORE[pl,S]     2  DET[pl]:det NUM:nummod NB[pl,S,I]
CORE[N,S]     20  POSS:nmod:poss NB[N,S,I]
POSS          65  PPOSS
POSS          15  PROPN GEN:case
POSS          20  CORE[sg,human] GEN:case
NB[N,S,I]     78  NC[N,S,I]
NB[N,S,I]     22  ADJ[S,I]:amod NB[N,S,J]
NC[N,S,I]     80  N[N,S,I]
NC[N,S,I]     20  FIRST[I]:compound N[N,S,J]
FIRST[I]       1  N[sg,T,I]
"""

# How a category is shown in a tree; what is not here is left out and its daughters move up.
LABELS = {
    category: label
    for label, categories in {
        "TOP": "TOP",
        "S": "S CL ECL COMMAND GAP",
        "VP": "PRED PR VP TOVP VGAP",
        "NP": "SUBJ OBJ NP UNIT MOD CORE POSS",
        "PP": "PP NPP ATPP TOWARDS",
        "ADJP": "AP",
        "SBAR": "CCOMP SBAR RC",
    }.items()
    for category in categories.split()
}

# Closed classes: category, tag, words with their weights (no number: 1) and, after a slash, lemma.
CLOSED = """
PUNCT           PUNCT  .
COMMA           PUNCT  ,
CC              CCONJ  and*6 but*3 or*1
AND             CCONJ  and
THAT            SCONJ  that
SUB             SCONJ  because*3 after*2 before*2 if*2 while*2 since*1 until*1
NOT             PART   not
INF             PART   to
GEN             PART   's
MODAL           AUX    can*4 will*4 must*2 may*2 should*2
DO[sg]          AUX    does*3/do did*2/do
DO[pl]          AUX    do*3 did*2/do
COP[sg]         AUX    is*5/be was*4/be 's*4/be
COP[pl]         AUX    are*5/be were*4/be
DEG             ADV    very*3 too*2 so*2
FREQ            ADV    often*3 always*2 never*2 still*1 quietly*1 soon*1
ADV             ADV    here*3 fast*3 back*3 well*3 there*3 home*3 hard*3 late*3 early*3 together*2
ADV             ADV    quickly*2 slowly*2 outside*2 inside*2 again*2 around*1 quietly*1 soon*1
AT              ADP    at
TO              ADP    to
LOC             ADP    in*6 near*3 behind*2 outside*2 inside*2 around*2
WITH            ADP    with*5 without*2
TIME            ADP    after*3 before*3 during*2 until*1 since*1
LIKE            ADP    like
NUM             NUM    two*4 three*3 four*1 five*1 ten*1
DET[sg]         DET    the*12 this*2 that*3 every*2 no*1
DET[pl]         DET    the*12 these*2 those*2 some*3 no*1
A[c]            DET    a
A[v]            DET    an/a
DEMO[sg]        PRON   this*1 that*2
DEMO[pl]        PRON   these*1 those*1
REL[human]      PRON   who*2 that*2
REL[animal]     PRON   that*2 which*1
REL[food]       PRON   that*2 which*1
REL[thing]      PRON   that*2 which*1
REL[place]      PRON   that*2 which*1
REL[event]      PRON   that*2 which*1
PNOM[sg,human]  PRON   he*1 she*1
PNOM[pl,human]  PRON   they*3 we*2 you*2
PACC[sg,human]  PRON   him*1/he her*1/she
PACC[pl,human]  PRON   them*3/they us*2/we you*2
PPOSS           PRON   his*4/he her*4/she its*1/it their*3/they our*1/we your*1/you
"""

AGREEMENT = {"he": ("sg", "m"), "she": ("sg", "f"), "it": ("sg", "n"), "they": ("pl", "")}

# Open classes, the most frequent word first. Nouns by sort and gender (f, m, n, c: f or m).
NOUNS = """
human f   girl woman mother sister daughter queen aunt actress
human m   boy man father brother son king uncle
human c   child patient friend cook teacher official doctor artist guard giant judge guide nurse
human c   farmer pilot
animal n  dog fish cat bird horse duck owl bear fox mouse cow ape elephant
food n    sweet fish orange cake apple drink egg soup pear sandwich pie
thing n   light book present letter watch novel picture can ball saw plant paint well phone box
thing n   hammer ring umbrella rose stamp will lamp envelope boat bag
place n   park square garden back home house school farm river city office kitchen island market
event n   walk look play dance call fair visit cold secret talk plan answer race report dream swim
event n   ride fight show love rest run final drive party start end smile laugh trip help jump take
event n   exam
"""

NAMES = {"f": "Anna Mary Rose Emma Julia Kate", "m": "Peter Tom Will Mark Omar Paul"}

ADJECTIVES = """
human   patient young happy old kind tired tall calm official early late odd
animal  fast wild giant young old small big tired calm odd
food    sweet cold orange fresh warm light dry good odd
thing   light present orange red old novel open clean heavy small dry empty
place   square cold old open big quiet warm back empty odd
event   fair secret short cold final long novel good slow hard official early late easy odd
"""

# Verbs by frame; F stands for each of the four forms.
VERBS = """
VI[F,human]         walk talk play dance run sleep laugh look swim dream smile fish cook drink race
VI[F,human]         fight paint wait rest jump sing drive
VI[F,animal]        run sleep walk play jump swim fight drink look wait rest
VI[F,thing]         fall break move burn rise open show
VI[F,food]          smell burn cool fall dry
VI[F,place]         open close change burn empty
VI[F,event]         start end begin stop continue fail
VT[F,human,human]   love visit call help watch see meet like know follow answer guide nurse phone
VT[F,human,human]   paint judge back guard fight thank
VT[F,human,animal]  feed see watch love walk follow paint ride like catch guard fish duck
VT[F,human,food]    eat cook like taste make buy smell dish want share warm cool
VT[F,human,thing]   take paint light find carry book open buy play ring plant clean stamp break see
VT[F,human,thing]   hammer saw dry empty hold like phone
VT[F,human,place]   visit leave paint see like find guard clean farm love enter open
VT[F,human,event]   take plan see watch like love have enjoy report start end need show
VT[F,human,event]   remember do hear back answer dream call
VT[F,animal,human]  follow watch love see like bite chase guard
VT[F,animal,animal] chase watch follow fight see like hear
VT[F,animal,food]   eat smell find like want steal
VT[F,animal,thing]  carry find break watch smell move bite
VT[F,animal,place]  leave guard find watch like
VT[F,animal,event]  watch hear love like enjoy need
VD[F]               give show send bring offer hand sell
VSAY[F]             think say know hope believe dream report answer see hear
VWANT[F]            want like love hope plan try need start
VASK[F]             ask want help tell need teach
VSEE[F]             see watch hear help
VLOOK[F]            look smile laugh point shout stare
VGO[F]              walk run drive ride swim travel return race come
VTALK[F]            talk listen write lie walk run
"""

PLURALS = {"woman": "women", "man": "men", "child": "children", "mouse": "mice", "fish": "fish"}

PASTS = """
run/ran sleep/slept swim/swam drink/drank fight/fought sing/sang drive/drove fall/fell break/broke
rise/rose begin/began stop/stopped see/saw meet/met know/knew feed/fed ride/rode catch/caught
eat/ate make/made buy/bought take/took light/lit find/found ring/rang hold/held leave/left have/had
do/did hear/heard bite/bit steal/stole give/gave show/showed send/sent bring/brought sell/sold
think/thought say/said tell/told teach/taught come/came write/wrote lie/lied try/tried dry/dried
carry/carried empty/emptied plan/planned
"""


@dataclass(frozen=True)
class Rule:
    """A rule of the grammar with its probability.

    Attributes
    ----------
    left : str
        The category that is rewritten.
    right : tuple of str
        The categories it is rewritten to, or one word.
    relations : tuple of str
        For each of `right` its dependency relation to the head; "" for the head itself.
    probability : float
        Of this rule given `left`.
    """

    left: str
    right: tuple[str, ...]
    relations: tuple[str, ...]
    probability: float

    def __str__(self):
        return f"{self.left} → {' '.join(self.right)}  {self.probability:.4f}"


@dataclass(frozen=True)
class Entry:
    """A word of a category: its spelling, tag and lemma; number and gender where it has them.

    Gender is "f", "m", "n", or "c" for a person of unknown gender; number is "sg" or "pl".
    """

    word: str
    category: str
    tag: str
    lemma: str
    number: str
    gender: str
    probability: float


@cache
def rules():
    """All rules: those between categories, then those from a category to a word.

    Returns
    -------
    tuple of Rule
        The probabilities of the rules of each category sum to one.
    """
    weights = {}
    for line in RULES.strip().splitlines():
        if line:
            left, weight, *right = line.split()
            for a, b, probability in _instances(left, right):
                weights.setdefault(a, []).append((b, float(weight) * probability))
    grammar = []
    for left, alternatives in weights.items():
        total = fsum(weight for _, weight in alternatives)
        for right, weight in alternatives:
            categories, _, relations = zip(*(d.partition(":") for d in right), strict=True)
            grammar.append(Rule(left, categories, relations, weight / total))
    words = (
        Rule(e.category, (e.word,), ("",), e.probability) for es in entries().values() for e in es
    )
    return (*grammar, *words)


@cache
def lexicon():
    """The words of the fragment and the tags that each can have.

    Returns
    -------
    dict of str to frozenset of str
        In alphabetical order.
    """
    tags = {}
    for entry in (e for es in entries().values() for e in es):
        tags.setdefault(entry.word, set()).add(entry.tag)
    return {word: frozenset(tags[word]) for word in sorted(tags)}


@cache
def entries():
    """The entries of the lexicon by category (dict of str to tuple of Entry)."""
    words = {}

    def add(category, tag, word, lemma, weight, number="", gender=""):
        of_category = words.setdefault(category, {})
        if word in of_category:
            raise ValueError(f"lexicon: {word!r} stands twice in {category}")
        of_category[word] = (tag, lemma, number, gender, weight)

    for line in CLOSED.strip().splitlines():
        category, tag, *forms = line.split()
        for form in forms:
            form, _, lemma = form.partition("/")
            word, _, weight = form.partition("*")
            lemma = lemma or word
            number, gender = AGREEMENT.get(lemma, ("", "")) if tag == "PRON" else ("", "")
            add(category, tag, word, lemma, float(weight or 1), number, gender)
    for sort in VALUES["X"] + ("animal",):
        for case in ("PNOM", "PACC"):
            they = "they" if case == "PNOM" else "them"
            add(f"{case}[sg,{sort}]", "PRON", "it", "it", 1.0, "sg", "n")
            add(f"{case}[pl,{sort}]", "PRON", they, "they", 1.0, "pl")
    for (sort, gender), lemmas in _classes(NOUNS, 2):
        for lemma, weight in lemmas:
            initial = "v" if lemma[0] in "aeiou" else "c"
            add(f"N[sg,{sort},{initial}]", "NOUN", lemma, lemma, weight, "sg", gender)
            plural = PLURALS.get(lemma) or _with_s(lemma)
            add(f"N[pl,{sort},{initial}]", "NOUN", plural, lemma, weight, "pl", gender)
    for gender, names in NAMES.items():
        for name, weight in _ranked(names.split()):
            add("PROPN", "PROPN", name, name, weight, "sg", gender)
    for (sort,), lemmas in _classes(ADJECTIVES, 1):
        for lemma, weight in lemmas:
            initial = "v" if lemma[0] in "aeiou" else "c"
            add(f"ADJ[{sort},{initial}]", "ADJ", lemma, lemma, weight)
    pasts = dict(pair.split("/") for pair in PASTS.split())
    for (frame,), lemmas in _classes(VERBS, 1):
        for lemma, weight in lemmas:
            past = pasts.get(lemma) or (lemma + "d" if lemma.endswith("e") else lemma + "ed")
            forms = {"sg": _with_s(lemma), "pl": lemma, "past": past, "bare": lemma}
            forms["sg"] = {"have": "has"}.get(lemma, forms["sg"])
            for form, word in forms.items():
                add(_bind(frame, {"F": form}), "VERB", word, lemma, weight)

    table = {}
    for category, of_category in words.items():
        total = fsum(weight for *_, weight in of_category.values())
        table[category] = tuple(
            Entry(word, category, tag, lemma, number, gender, weight / total)
            for word, (tag, lemma, number, gender, weight) in of_category.items()
        )
    return table


def _instances(left, right):
    """The plain rules that a rule with variables stands for: left, right and probability."""
    bound = _variables(left)
    free = [v for v in dict.fromkeys(v for s in right for v in _variables(s)) if v not in bound]
    for values in product(*(VALUES[v] for v in bound)):
        for drawn in product(*(zip(VALUES[v], DRAWN[v], strict=True) for v in free)):
            binding = dict(zip(bound, values, strict=True))
            binding |= {v: value for v, (value, _) in zip(free, drawn, strict=True)}
            probability = prod(p for _, p in drawn)
            yield _bind(left, binding), [_bind(s, binding) for s in right], probability


def _variables(symbol):
    return re.findall(r"(?<=[\[,])[A-Z](?=[],])", symbol)


def _bind(symbol, binding):
    return re.sub(r"(?<=[\[,])[A-Z](?=[],])", lambda v: binding[v[0]], symbol)


def _ranked(lemmas):
    """Zipf's law, as Mandelbrot amended it: the word of rank r is drawn with weight 1/(r + 2)."""
    return [(lemma, 1 / (rank + 2)) for rank, lemma in enumerate(lemmas, start=1)]


def _classes(text, n_features):
    """Lists of words that continue over lines: features and ranked lemmas of each class."""
    classes = {}
    for line in text.strip().splitlines():
        fields = line.split()
        classes.setdefault(tuple(fields[:n_features]), []).extend(fields[n_features:])
    return [(features, _ranked(lemmas)) for features, lemmas in classes.items()]


def _with_s(lemma):
    """The plural of a noun, the third person of a verb."""
    if lemma.endswith(("s", "sh", "ch", "x", "z", "o")):
        return lemma + "es"
    if lemma.endswith("y") and lemma[-2] not in "aeiou":
        return lemma[:-1] + "ies"
    return lemma + "s"

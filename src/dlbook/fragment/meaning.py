"""What the sentences of the fragment mean: the antecedents of pronouns and a logical form."""

__all__ = ["find_antecedents", "logical_form"]

PRONOUNS = ("he", "she", "it", "they")
ARGUMENTS = ("nsubj", "obj", "iobj", "obl")


def find_antecedents(words, heads, relations):
    """Find what the third-person pronouns of a sentence refer to, by this rule.

    1. A candidate is a noun or name before the pronoun that agrees with it in number and gender
       (a person of either gender agrees with *he* and *she*, everything with *they*), or an
       earlier form of the same pronoun, which stands for what it refers to itself. *They* can
       also refer to a coordination that has ended before it; its first noun then stands for it.
    2. Arguments of one predicate do not corefer, subjects that it shares with another included
       (Principle B of binding theory [1]_): not Anna in *Anna loves her* or *Anna wants to see
       her*. Possessives are free: *Anna loves her brother*.
    3. Of the candidates it is the nearest subject, or the nearest other one if there is no subject.
    4. If there is no candidate, the referent is outside the sentence.

    Parameters
    ----------
    words : sequence of Entry
    heads : sequence of int
    relations : sequence of str

    Returns
    -------
    antecedents : dict of int to int
        From the number of a pronoun to that of its antecedent, both from 1.
    groups : set of int
        The pronouns that refer to the coordination which the antecedent begins.

    References
    ----------
    .. [1] N. Chomsky, *Lectures on Government and Binding*, Foris, 1981.
    """
    structure = _Structure(words, heads, relations)
    referents = {}  # of each pronoun: a word, and whether what is meant is the group it begins
    for pronoun, word in enumerate(words, start=1):
        if word.lemma not in PRONOUNS:
            continue
        barred = structure.coarguments(pronoun)
        barred |= {referents[i][0] for i in barred & referents.keys()}
        candidates = [(False, 0, (pronoun, False))]
        for i, mention in enumerate(words[: pronoun - 1], start=1):
            chain = structure.coordination(i)  # the word, what it is coordinated to, and so on
            whole = word.number == "pl" and structure.group_ends_before(chain[-1], pronoun)
            if mention.lemma in PRONOUNS:
                referent = referents[i]
                agrees = mention.lemma == word.lemma
            else:
                referent = (i, whole)
                agrees = _agree(mention, word, whole) and not (whole and i != chain[-1])
                agrees = agrees and relations[i - 1] != "compound"
            if agrees and not barred & {referent[0], *chain}:
                candidates.append((relations[chain[-1] - 1] == "nsubj", i, referent))
        referents[pronoun] = max(candidates)[-1]
    antecedents = {pronoun: i for pronoun, (i, _) in referents.items() if i != pronoun}
    groups = {pronoun for pronoun, (_, whole) in referents.items() if whole}
    return antecedents, groups


def logical_form(words, heads, relations, antecedents, groups):
    """Write the meaning of a sentence as a conjunction of predicates, after Davidson and Parsons.

    Things are called x, events and states e, coordinated things g, each with the number of its
    word. *The girls take a walk*: ``the(x2) & girl(x2) & plural(x2) & take(e3) & agent(e3,x2) &
    theme(e3,x5) & a(x5) & walk(x5)``.

    - Nouns, names, adjectives, determiners, numerals and pronouns without an antecedent are
      predicates of a thing; ``compound(x3,x2)`` links the nouns of a compound.
    - Verbs, predicative adjectives and the adverbs, modals and negations with them are predicates
      of an event; so is ``past(e3)``. Its subject is the ``agent`` of a verb, the ``theme`` of an
      adjective; the object is the ``theme``; the ``recipient`` is the same in *give her a book* and
      *give a book to her*; clauses and infinitives that the verb governs are its ``content``.
    - A preposition or a subordinating conjunction is a relation: ``in(e3,x6)``, ``because(e3,e7)``;
      an infinitive that is no argument is a ``purpose``; a possessive is ``of(x3,x1)``.
    - ``and(g2,x2,x5)`` is the group of two things, ``and(e3,e6)`` joins clauses.
    - Coreference is resolved: pronouns with an antecedent, relative pronouns, the unspoken subjects
      of infinitives and of coordinated verbs and the gaps of relative clauses appear as the
      variable of what they stand for. The unspoken subject of a command is left out.

    Parameters
    ----------
    words : sequence of Entry
    heads : sequence of int
    relations : sequence of str
    antecedents : dict of int to int
    groups : set of int
        Both as from `find_antecedents`.

    Returns
    -------
    str
        The predicates in the order of the words, joined by ``" & "``.

    References
    ----------
    .. [1] T. Parsons, *Events in the Semantics of English*, MIT Press, 1990.
    """
    structure = _Structure(words, heads, relations)

    def variable(i):
        return f"e{i}" if structure.is_predicate(i) else f"x{i}"

    def referent(i):
        """Variable of what stands at word i, seen from outside its phrase."""
        if i in antecedents:
            return f"g{antecedents[i]}" if i in groups else f"x{antecedents[i]}"
        if structure.is_relative_pronoun(i):
            return f"x{structure.relative_head(heads[i - 1])}"
        if not structure.is_predicate(i) and structure.dependents(i, "conj"):
            return f"g{i}"
        return variable(i)

    atoms = []
    for i, (word, head, relation) in enumerate(zip(words, heads, relations, strict=True), start=1):
        mine, above = variable(i), head and variable(head)
        if relation in ("det", "nummod", "amod", "advmod"):
            atoms.append(f"{word.lemma}({above})")
        elif relation in ("aux", "cop"):
            if word.lemma not in ("do", "be"):
                atoms.append(f"{word.lemma}({above})")
            elif word.word in ("did", "was", "were"):
                atoms.append(f"past({above})")
        elif relation == "case" and word.lemma != "'s":
            governor = heads[head - 1]
            if not structure.is_recipient(head):
                atoms.append(f"{word.lemma}({variable(governor)},{referent(head)})")
        elif relation == "mark" and relations[head - 1] == "advcl":
            name = "purpose" if word.tag == "PART" else word.lemma
            atoms.append(f"{name}({variable(heads[head - 1])},{above})")
        elif relation == "cc":
            first = heads[head - 1]
            if structure.is_predicate(first):
                atoms.append(f"{word.lemma}({variable(first)},{above})")
            else:
                atoms.append(f"{word.lemma}(g{first},x{first},{referent(head)})")
        elif structure.is_predicate(i):
            atoms.append(f"{word.lemma}({mine})")
            if "[past" in word.category:
                atoms.append(f"past({mine})")
            for role, filler in structure.roles(i):
                atoms.append(f"{role}({mine},{referent(filler)})")
        elif word.tag in ("NOUN", "PROPN", "PRON"):
            if i not in antecedents and not structure.is_relative_pronoun(i):
                atoms.append(f"{word.lemma}({mine})")
                if word.tag == "NOUN" and word.number == "pl":
                    atoms.append(f"plural({mine})")
            if relation == "nmod:poss":
                atoms.append(f"of({above},{referent(i)})")
            elif relation == "compound":
                atoms.append(f"compound({above},{mine})")
    return " & ".join(atoms)


def _agree(noun, pronoun, whole):
    """Whether a noun, or the whole group that it begins, agrees with a pronoun."""
    if noun.tag not in ("NOUN", "PROPN") or not (whole or noun.number == pronoun.number):
        return False
    either = noun.gender == "c" and pronoun.gender in ("f", "m")
    return either or pronoun.gender in ("", noun.gender)


class _Structure:
    """Questions about a dependency tree. Words are numbered from 1."""

    def __init__(self, words, heads, relations):
        self.words, self.heads, self.relations = words, heads, relations
        self.below = {}
        for i, head in enumerate(heads, start=1):
            self.below.setdefault(head, []).append(i)

    def dependents(self, i, *relations):
        return [d for d in self.below.get(i, ()) if self.relations[d - 1] in relations]

    def is_predicate(self, i):
        tag = self.words[i - 1].tag
        return tag == "VERB" or (tag == "ADJ" and self.relations[i - 1] != "amod")

    def is_relative_pronoun(self, i):
        return self.words[i - 1].category.startswith("REL")

    def is_recipient(self, i):
        """Whether word i, with its preposition, is the recipient of a verb of giving."""
        giving = self.words[self.heads[i - 1] - 1].category.startswith("VD")
        to = any(self.words[d - 1].word == "to" for d in self.dependents(i, "case"))
        return giving and to and self.relations[i - 1] == "obl"

    def relative_head(self, predicate):
        """The noun that a relative clause modifies, given the first predicate of the clause."""
        is_relative = self.relations[predicate - 1] == "acl:relcl"
        return self.heads[predicate - 1] if is_relative else None

    def subject(self, predicate):
        """The word that is the subject, spoken or shared; None for a command."""
        while predicate:
            if own := self.dependents(predicate, "nsubj"):
                return own[0]
            relation, predicate = self.relations[predicate - 1], self.heads[predicate - 1]
            if relation == "xcomp" and (controller := self.dependents(predicate, "obj")):
                return controller[0]
            if relation not in ("xcomp", "conj", "advcl"):
                return None
        return None

    def roles(self, predicate):
        """Pairs of a role and the word that fills it."""
        is_verb = self.words[predicate - 1].tag == "VERB"
        found = []
        if subject := self.subject(predicate):
            found.append(("agent" if is_verb else "theme", subject))
        found += [("theme", d) for d in self.dependents(predicate, "obj")]
        noun = self.relative_head(predicate)
        if noun and not any(map(self.is_relative_pronoun, self.below[predicate])):
            found.append(("theme", noun))
        others = self.dependents(predicate, "iobj", "obl")
        found += [
            ("recipient", d)
            for d in others
            if self.relations[d - 1] == "iobj" or self.is_recipient(d)
        ]
        return found + [("content", d) for d in self.dependents(predicate, "ccomp", "xcomp")]

    def coarguments(self, pronoun):
        """The nouns that a pronoun cannot refer to since they belong to the same predicate."""
        relation, head = self.relations[pronoun - 1], self.heads[pronoun - 1]
        if relation == "nmod":
            return {head}
        if relation not in ARGUMENTS:
            return set()
        found = {*self.dependents(head, *ARGUMENTS), self.subject(head), self.relative_head(head)}
        for i in [i for i in found if i and self.is_relative_pronoun(i)]:
            found.add(self.relative_head(self.heads[i - 1]))
        return found - {None, pronoun}

    def coordination(self, i):
        """Word i, the word that it is coordinated to, and so on."""
        chain = [i]
        while self.relations[chain[-1] - 1] == "conj":
            chain.append(self.heads[chain[-1] - 1])
        return chain

    def group_ends_before(self, first, i):
        """Whether `first` begins a coordination and word i follows all of it."""
        return bool(self.dependents(first, "conj")) and self._last(first) < i

    def _last(self, i):
        return max([i, *(self._last(d) for d in self.below.get(i, ()))])

"""Configuration: one frozen model a stage, the whole of them a `Recipe`, and the digests that name stage folders."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PAPER_SUBSETS = ("massiveweb", "books", "news", "c4", "github", "wikipedia")
SHIPPED = "shipped"  # the blocklist of a category that comes with the program
RESERVED_SUBSETS = ("all", "held_out", "keys", "neighbours")  # folders and names of the output's own

LANGUAGE_PARAGRAPHS = "language_paragraph_fraction"
MIN_LANGUAGE_SCORES = {"fasttext": 0.65, "heliport": 0.5}  # by engine; RefinedWeb and DCLM; filters.language_heliport

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Host = Annotated[str, Field(pattern=r"^[^\s/:@*]+$")]  # a name, without scheme, port or path
CLOCK = r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?$"  # "2026-01-01T00:00:00Z", or nothing


class RecipeError(ValueError):
    """A recipe, override or argument that cannot be run; the message names the place and the fix."""


class StageConfig(BaseModel):
    """Base of every section: frozen; unknown keys are refused, and so are numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RunConfig(StageConfig):
    """How to run. Never hashed: no byte of the output depends on it."""

    workers: Natural = 0  # worker processes; 0 = one a core
    runner: str = "local"  # local, prism, flink, dataflow, spark, or Beam's name of one
    memory_gb: Annotated[float, Field(ge=0.0)] = 0.0  # for all workers, 1 GB each; 0 = this machine's
    batch_bytes: Positive = 32_000_000  # text a kernel sees at once
    max_failed_fraction: Fraction = 0.01  # of a stage and subset; above it the stage does not commit
    keep_dropped_text: bool = False  # also write dropped documents to OUT/dropped/
    crawl_addresses: dict[str, str] = {}  # host -> "127.0.0.1:8000": where a host of a loopback test is served


class InputConfig(StageConfig):
    """One part of the raw input."""

    subset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    format: Literal[
        "warc", "wet", "cc-index", "cdxj", "wikipedia", "gutenberg", "epub", "text", "jsonl", "c4", "code", "parquet"
    ]
    root: str = "."  # relative to the recipe, or to --input-root
    paths: tuple[str, ...] = ()  # glob patterns below root; "**" crosses folders
    from_crawl: bool = False  # read what the crawl stage wrote instead of root and paths
    hosts: tuple[Host, ...] = ()  # cc-index, cdxj: records of these and of what is below them; empty = all
    warc_root: str = ""  # cc-index, cdxj: where the archives are: a folder, "https://data.commoncrawl.org/", "s3://..."
    fields: dict[str, str] = {}  # jsonl, parquet: our column -> theirs, as {text = "body"}
    limit: Natural = 0  # documents, chosen by id; 0 = all
    max_bytes: Natural = 0  # of kept text, in UTF-8, documents chosen by id; 0 = all

    @model_validator(mode="after")
    def _has_a_source(self) -> InputConfig:
        if self.subset in RESERVED_SUBSETS:
            raise ValueError(f"[[input]] subset may not be one of {', '.join(RESERVED_SUBSETS)}; got {self.subset}")
        if self.from_crawl == bool(self.paths):
            raise ValueError(f"[[input]] {self.subset}: give paths, or from_crawl = true, not both")
        if self.format != "code" and any(path.endswith("/") for path in self.paths):
            raise ValueError(f"[[input]] {self.subset}: folders (paths ending in /) are for code; got {self.format}")
        is_index = self.format in ("cc-index", "cdxj")
        if is_index != bool(self.warc_root) or (self.hosts and not is_index) or (self.from_crawl and is_index):
            raise ValueError(
                f"[[input]] {self.subset}: an index (cc-index, cdxj) needs paths, and warc_root: the folder or URL of "
                f"its archives; hosts and warc_root are for indexes alone; got format {self.format}"
            )
        return self


class CrawlConfig(StageConfig):
    """A polite crawl of named hosts."""

    seeds: tuple[str, ...] = ()  # URLs; empty = no crawl stage
    hosts: tuple[str, ...] = ()  # hosts that may be fetched; empty = those of the seeds
    subset: str = "massiveweb"  # under which the crawl's URLs are counted
    user_agent: str = ""  # product/version (+contact): required, with an address or URL of the operator
    clock: Annotated[str, Field(pattern=CLOCK)] = ""  # the reproducible mode: that date, in UTC, in every record
    max_pages: Positive = 1_000
    max_depth: Natural = 20  # links from a seed
    delay_s: Annotated[float, Field(ge=0.0)] = 5.0  # between two requests to a host (Nutch's default)
    max_crawl_delay_s: float = 30.0  # a host whose robots.txt asks for more is skipped
    timeout_s: Annotated[float, Field(gt=0.0)] = 60.0  # one request, all of it
    max_body_bytes: Positive = 5_000_000  # longer bodies are cut and marked WARC-Truncated
    max_redirects: Natural = 5
    hosts_per_list: Positive = 64  # hosts a shard fetches at the same time

    @model_validator(mode="after")
    def _names_a_contact(self) -> CrawlConfig:
        named = re.match(r"[A-Za-z_-]+(/|\s|$)", self.user_agent)  # a product token by RFC 9309, which robots.txt names
        if self.seeds and not (named and ("@" in self.user_agent or "http" in self.user_agent)):
            raise ValueError('[crawl] user_agent must name product and contact: "mybot/1.0 (+https://example.org/bot)"')
        return self


class ExtractConfig(StageConfig):
    """Raw records to documents."""

    engine: Literal["blocks", "resiliparse", "trafilatura"] = "blocks"  # HTML to text; see filters.extraction
    shard_input_bytes: Positive = 64_000_000  # raw bytes a shard reads; an archive of 1 GB gives 16 workers theirs
    max_record_bytes: Positive = 50_000_000  # longer records are failed, not read
    fix_mojibake: bool = False  # undo UTF-8 that was read as Latin-1, where that is certain; needs the extra "ftfy"
    licenses: tuple[str, ...] = (  # code is kept under one of these; the paper's eight
        "Apache-2.0",
        "MIT",
        "BSD-3-Clause",
        "BSD-2-Clause",
        "Unlicense",
        "CC0-1.0",
        "ISC",
        "Artistic-2.0",
    )
    extensions: tuple[str, ...] = ()  # code: keep only these, as ".py"; empty = every text file
    max_code_bytes: Positive = 1_000_000  # longer source files are dropped
    # category -> lists of domains and URL prefixes, in UT1's format: files, globs, folders of a category, or "shipped";
    # a record whose URL is listed is dropped as blocklist_<category>, in the subsets of [apply] content
    blocklists: dict[Name, tuple[str, ...]] = {
        "adult": (SHIPPED,),
        "gambling": (SHIPPED,),
        "malware": (SHIPPED,),
    }


class ClassifierConfig(StageConfig):
    """A fastText classifier, as ``massivetext classifier train`` writes it; ``"path.bin"`` alone names the model."""

    model: str  # path, relative to the recipe
    label: str = "positive"  # whose probability, 0 to 1, is the signal

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class SignalsConfig(StageConfig):
    """What is measured; bounds stand in [filter]."""

    language_engine: Literal["fasttext", "heliport"] = "fasttext"  # heliport: better; an extra, 0.9 GB a worker
    language_model: str = "lid.176.ftz"  # fasttext: an asset's name, or a path to a model
    language_max_chars: Positive = 3_000  # of a document that language id reads
    language_paragraphs: bool = False  # also measure language_paragraph_fraction; see filters.language
    # name -> model: the signal classifier_<name>, for [filter.bounds]
    classifiers: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ClassifierConfig] = {}
    # measure C4's rules and find what they take from the text (0.2 kB a document); true where [filter] rules has "c4"
    c4: bool = False
    c4_terminal_marks: bool = True  # C4's lines must end in one; False keeps those that do not, as FineWeb does
    pii: bool = False  # find e-mail addresses, public IP addresses and phone numbers, for [filter] redact

    def optional_signals(self) -> tuple[str, ...]:
        """Signals that are measured when asked for, and have no bound but one of [filter.bounds], in order."""
        paragraphs = (LANGUAGE_PARAGRAPHS,) if self.language_paragraphs else ()
        return (*paragraphs, *(f"classifier_{name}" for name in sorted(self.classifiers)))


class BoundConfig(StageConfig):
    """The range of a signal that is kept, both ends included."""

    low: float | None = None
    high: float | None = None


class FilterConfig(StageConfig):
    """Which rules decide, and their bounds; those of each set are the papers', as in its module of filters."""

    # sets of filters.rule_sets, all of which must hold
    rules: tuple[Literal["gopher", "refinedweb", "c4", "fineweb"], ...] = ("gopher",)
    languages: tuple[str, ...] = ("en",)
    subset_languages: dict[str, tuple[str, ...]] = {}  # subset -> its own, in place of languages
    min_language_score: Fraction | None = None  # None = MIN_LANGUAGE_SCORES; Gopher states no tool and no threshold
    language_scores: dict[str, Fraction] = {}  # subset -> its own, in place of min_language_score
    bounds: dict[str, BoundConfig] = {}  # signal -> range, in place of the published one; holds without its set, too
    redact: tuple[Literal["email", "ip_address", "phone"], ...] = ()  # found by [signals] pii; see filters.pii


class SignaturesConfig(StageConfig):
    """MinHash over word n-grams."""

    num_perm: Positive = 200
    ngram: Positive = 13  # words; Gopher
    seed: Natural = 0


class DedupConfig(StageConfig):
    """Exact and near duplicates."""

    bands: Positive = 20  # bands x rows = num_perm: catch probability 0.90 at Jaccard 0.8, 0.44 at 0.7
    min_jaccard: Fraction = 0.8  # an edge counts when the estimate reaches it
    source_priority: tuple[str, ...] = ()  # subsets, best first: who survives; unnamed ones come last
    partitions: Positive = 16  # hash ranges a band is cut into


class DecontaminateConfig(StageConfig):
    """Overlap with evaluation texts."""

    # paths or globs of text or .jsonl, plain or compressed; relative like an input's root
    evaluation: tuple[str, ...] = ()
    ngram: Positive = 13
    min_shared_ngrams: Positive = 10  # of one evaluation text; 10 = 22 words in a row
    min_coverage: Fraction = 0.5  # ... or this share of a short evaluation text's n-grams


class CorpusConfig(StageConfig):
    """The final text and its held-out split."""

    held_out_fraction: Fraction = 0.01
    seed: Natural = 0


class TokenizerConfig(StageConfig):
    """SentencePiece BPE with byte fallback."""

    vocab_size: Positive = 32_000
    sample_bytes: Positive = 1_000_000_000  # text that the training reads, chosen by hash of id
    seed: Natural = 0


class TokensConfig(StageConfig):
    """Token shards."""

    shard_text_bytes: Positive = 1_000_000_000  # corpus text a token shard holds
    seed: Natural = 0  # of the order of documents


class MixtureConfig(StageConfig):
    """Weights of the subsets, by sequence; unset = in proportion to tokens."""

    weights: dict[str, Annotated[float, Field(ge=0.0)]] = {}
    seed: Natural = 0


class TrainConfig(StageConfig):
    """A Gopher on one device."""

    model: Literal["tiny", "44M"] = "tiny"
    steps: Natural = 0  # 0 = no train stage
    seq_len: Positive = 2048
    global_batch_size: Positive = 128  # sequences; Gopher: 0.25M tokens up to 1.4B parameters
    microbatch_size: Natural = 0  # sequences computed at once, whose gradients are added up; 0 = the whole batch
    learning_rate: Annotated[float, Field(gt=0)] = 6e-4  # the maximum; Gopher Table 1
    warmup_steps: Natural = 1_500
    final_learning_rate_fraction: Fraction = 0.1
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    seed: Natural = 0
    checkpoint_steps: Positive = 500
    evaluate_steps: Positive = 500
    activation_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    min_bits_per_byte_below_unigram: float | None = None  # fail when the end is not this far below a unigram model

    @model_validator(mode="after")
    def _schedule_and_batch_fit(self) -> TrainConfig:
        if self.steps and self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be below steps; got warmup_steps={self.warmup_steps}, steps={self.steps}"
            )
        if self.microbatch_size and self.global_batch_size % self.microbatch_size:
            raise ValueError(
                "microbatch_size must divide global_batch_size; "
                f"got microbatch_size={self.microbatch_size}, global_batch_size={self.global_batch_size}"
            )
        return self


class RetroConfig(StageConfig):
    """Chunks, keys and neighbours."""

    chunk_len: Positive = 64
    encoder: str = ""  # "" = no retro stage; "hash", an asset's name, or a folder with a BERT and safetensors
    max_keys: Natural = 0  # chunks that get a key, chosen by hash; 0 = all
    num_neighbours: Positive = 8
    chunks_per_shard: Positive = 100_000
    seed: Natural = 0


class ReportConfig(StageConfig):
    """The report's page."""

    samples_per_reason: Natural = 3
    sample_chars: Positive = 400


WEB = ("massiveweb",)
DEDUPED = ("massiveweb", "books", "c4", "news")


class ApplyConfig(StageConfig):
    """Which rules apply to which subsets; None = all. The default is the paper's matrix."""

    content: tuple[str, ...] | None = WEB  # blocklists, and the bounds of filters.content
    language: tuple[str, ...] | None = None
    classifiers: tuple[str, ...] | None = None  # bounds on [signals] classifiers
    quality: tuple[str, ...] | None = WEB
    repetition: tuple[str, ...] | None = WEB
    c4: tuple[str, ...] | None = WEB  # when [filter] rules has it, as fineweb
    fineweb: tuple[str, ...] | None = WEB
    dedup: tuple[str, ...] | None = DEDUPED
    decontaminate: tuple[str, ...] | None = None
    redact: tuple[str, ...] | None = None  # what [filter] redact names

    def applies(self, rule: str, subset: str) -> bool:
        """Say whether ``rule`` (a field's name) is on for ``subset``."""
        subsets = getattr(self, rule)
        return subsets is None or subset in subsets


class Recipe(StageConfig):
    """A whole run."""

    run: RunConfig = RunConfig()
    input: tuple[InputConfig, ...]
    crawl: CrawlConfig = CrawlConfig()
    extract: ExtractConfig = ExtractConfig()
    signals: SignalsConfig = SignalsConfig()
    filter: FilterConfig = FilterConfig()
    signatures: SignaturesConfig = SignaturesConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    corpus: CorpusConfig = CorpusConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    tokens: TokensConfig = TokensConfig()
    mixture: MixtureConfig = MixtureConfig()
    train: TrainConfig = TrainConfig()
    retro: RetroConfig = RetroConfig()
    report: ReportConfig = ReportConfig()
    apply: ApplyConfig = ApplyConfig()

    @model_validator(mode="after")
    def _measures_what_decides(self) -> Recipe:
        if "c4" in self.filter.rules and not self.signals.c4:  # frozen, but nobody has it yet
            object.__setattr__(self, "signals", self.signals.model_copy(update={"c4": True}))
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        if self.signatures.num_perm % self.dedup.bands:
            raise ValueError(
                "[dedup] bands must divide [signatures] num_perm; "
                f"got bands={self.dedup.bands}, num_perm={self.signatures.num_perm}"
            )
        if self.filter.redact and not self.signals.pii:
            raise ValueError("[filter] redact needs the spans that [signals] pii = true finds; it is false")
        if any(part.from_crawl for part in self.input) and not self.crawl.seeds:
            raise ValueError("an [[input]] has from_crawl = true, but [crawl] names no seeds")
        for where, names in self._named_subsets():
            unknown = sorted(set(names) - set(self.subsets()) - set(PAPER_SUBSETS))
            if unknown:
                raise ValueError(f"{where} names unknown subsets {unknown}; the inputs are {list(self.subsets())}")
        return self

    def _named_subsets(self) -> Iterator[tuple[str, Sequence[str]]]:
        for rule in ApplyConfig.model_fields:
            yield f"[apply] {rule}", getattr(self.apply, rule) or ()
        yield "[filter] subset_languages", tuple(self.filter.subset_languages)
        yield "[filter] language_scores", tuple(self.filter.language_scores)
        yield "[mixture] weights", tuple(self.mixture.weights)
        yield "[dedup] source_priority", self.dedup.source_priority

    def languages(self, subset: str) -> tuple[str, ...]:
        """The languages that are kept in ``subset``."""
        return self.filter.subset_languages.get(subset, self.filter.languages)

    def min_language_score(self, subset: str) -> float:
        """The least score with which a document of ``subset`` counts as one of its language."""
        score = self.filter.language_scores.get(subset, self.filter.min_language_score)
        return MIN_LANGUAGE_SCORES[self.signals.language_engine] if score is None else score

    def subsets(self) -> tuple[str, ...]:
        """The inputs' subsets, in the order of the recipe."""
        return tuple(dict.fromkeys(part.subset for part in self.input))


def canonical_json(value: Any) -> str:
    """One text for one value: keys sorted, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of ``value``; names a stage's folder."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]

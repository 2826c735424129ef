"""The contract of an app as texts: names, patterns, hashes, and what cannot be said in TypeScript."""

import re
from dataclasses import replace
from enum import Enum
from importlib.resources import files
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model

from barback import App, Context, Payload, job, no_services
from barback.contract.gathering import gather
from barback.contract.names import field_name, file_name, package_name, type_name, value_name
from barback.contract.package import package
from barback.contract.patterns import javascript_pattern
from barback.errors import DeclarationError
from barback.job import AnyJob
from barback.payload_schema import schema_hash

RUNTIME = (files("barback.contract") / "runtime" / "client.d.ts").read_text("utf-8")


def declare(payload: type[Payload], result: Any = None, name: str = "any") -> AnyJob:
    async def handler(payload: Payload, ctx: Context[None]) -> None: ...

    handler.__annotations__ |= {"payload": payload, "return": result}
    return job(name, queue="q")(handler)


def app(*jobs: AnyJob) -> App[None]:
    return App(jobs=jobs, services=no_services, name="bar")


class Simple(Payload, frozen=True):
    city_slug: str = "bonn"


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("update-cafe-stats", "updateCafeStats"),
        ("delete", "deleteJob"),
        ("2fa.Mail", "_2faMail"),
        ("größe/x", "größeX"),
        ("m²-preis", "mPreis"),
    ],
)
def test_a_jobs_name_becomes_one_that_javascript_takes(name: str, made: str) -> None:
    assert value_name(name) == made


def test_two_jobs_that_javascript_would_call_the_same_are_refused() -> None:
    """P28. With numbers behind them a third one would rename them."""
    with pytest.raises(DeclarationError, match="Jobs 'send-mail' and 'sendMail' would both be `sendMail`: rename one"):
        gather(app(declare(Simple, name="send-mail"), declare(Simple, name="sendMail")))


def test_names_that_are_taken_get_a_number_and_those_of_javascript_another_end() -> None:
    assert type_name("Page_Item_", ()) == "PageItem"
    assert type_name("Page-Item", {"PageItem"}) == "PageItem2"
    assert type_name("Date", ()) == "DateModel"
    assert file_name("../../etc/Passwd", ()) == "etc-passwd"
    assert file_name("Ünï", {"n"}) == "n2"
    assert [field_name(name) for name in ("a_1", "a-b", "1", "__proto__")] == ["a_1", '"a-b"', '"1"', '["__proto__"]']
    assert file_name("con", ()) == "con-job"
    assert package_name("My Shop") == "my-shop-jobs"


def test_no_job_and_no_type_takes_the_name_of_what_every_client_exports() -> None:
    declared = re.findall(r"^export (?:declare )?(?:const|function|interface|class) (\w+)", RUNTIME, re.MULTILINE)
    passed_on = re.findall(r"^export (?:type )?\{ (.+) \} from", RUNTIME, re.MULTILINE)
    exported = [*declared, *(name for names in passed_on for name in names.split(", ")), "JOB_NAMES", "JobName"]
    assert len(exported) > 20
    for name in exported:
        if name[0].islower():
            assert value_name(name) != name
        else:
            assert type_name(name, ()) != name
            assert value_name(name) != name, "values begin with a small letter"


# ── patterns ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("^[a-z0-9-]+$", "/^[a-z0-9-]+$/u"),
        (r"^\d{2,}/.?$", r"/^\p{Nd}{2,}\/[^\n]?$/u"),
        ("^[a-z0-9]+(?:-[a-z0-9]+)*$", "/^[a-z0-9]+(?:-[a-z0-9]+)*$/u"),
        (r"(\.\d+)*", r"/(\.\p{Nd}+)*/u"),
        ("(a(-b)+)?", "/(a(-b)+)?/u"),
        ("a+?b{1,2}?", "/a+?b{1,2}?/u"),
        ("^(?:.a)+$", r"/^(?:[^\n]a)+$/u"),
        (r"^[^@\s]+@[a-z.]+\.[a-z]{2,}$", r"/^[^@\p{White_Space}]+@[a-z.]+\.[a-z]{2,}$/u"),
        (r"^\[\d+]$", r"/^\[\p{Nd}+\]$/u"),
        ("\\\n", r"/\n/u"),
        ("a\nb[\u2028]", r"/a\nb[\u2028]/u"),
        (r"[a\]]+", r"/[a\]]+/u"),
        (r"[\d\s_]", r"/[\p{Nd}\p{White_Space}_]/u"),
        (r"(?:a|b)\@\.", r"/(?:a|b)@\./u"),
        ("(?i)a", None),
        ("(?P<x>a)", None),
        (r"\bword\b", None),
        ("[[:alpha:]]", None),
        ("[a&&b]", None),
        ("[]a]", None),
        ("[^]]", None),
        ("[a||b]", None),
        ("^([a-z0-9]+-?)*$", None),
        ("(a|a)*", None),
        ("(a*)*", None),
        ("^.+;.+;.+$", None),
        (r"^\w+\s?\w*\s?\w*$", None),
        ("(?:-a*)*(?:-a*)*$", None),
        ("^(a|a)(a|ab)$", None),
        ("^a*a*a*b$", None),
        (".*foo", None),
        ("a+??", None),
        ("a$+", None),
        ("a**", None),
        ("a{2}{3}", None),
        ("^*", None),
        ("(a", None),
        ("a)", None),
        (r"[\W]", None),
        ("a{", None),
        ("}", None),
        ("[a", None),
        ("\\", None),
        ("", None),
    ],
)
def test_a_pattern_is_checked_in_javascript_only_if_it_means_the_same_there(pattern: str, made: str | None) -> None:
    assert javascript_pattern(pattern) == made


# ── the hash ────────────────────────────────────────────────────────────────────────────────────────────


def changed(**fields: Any) -> str:
    return schema_hash(create_model("Simple", __base__=Payload, **fields))


def test_a_hash_is_of_what_fits_and_not_of_what_is_said_about_it() -> None:
    """P29."""
    one = changed(city=(str, "bonn"), title=(int, 1))
    assert len(one) == 12
    assert (
        changed(title=(int, 1), city=(Annotated[str, Field(description="Of a city.", examples=["x"])], "bonn")) == one
    )
    assert changed(one=(int, ...), two=(int, ...)) == changed(two=(int, ...), one=(int, ...))
    others = [
        changed(city=(str, "bonn")),
        changed(city=(str, ...), title=(int, 1)),
        changed(city=(str, "köln"), title=(int, 1)),
        changed(city=(str | None, "bonn"), title=(int, 1)),
        changed(city=(str, "bonn"), description=(int, 1)),
    ]
    assert len({one, *others}) == 6


# ── the package ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_app_gives_the_same_texts_in_whichever_order_its_jobs_are_declared() -> None:
    """P28."""
    one, other = declare(Simple, name="one"), declare(Simple, list[Simple], name="other")
    assert package(app(one, other)) == package(app(other, one))


def test_types_of_one_name_are_left_to_the_jobs_own_modules() -> None:
    texts = package(app(declare(Simple, name="one"), declare(Simple, name="other")))
    assert "export type { Simple" not in texts["index.d.ts"]
    assert "export interface Simple" in texts["jobs/one.d.ts"]


def test_a_result_that_has_no_schema_is_unknown() -> None:
    class Odd:
        pass

    assert "DeclaredJob<Simple, unknown, " in package(app(declare(Simple, Odd)))["jobs/any.d.ts"]


def test_a_payload_that_has_no_schema_is_refused_with_its_job() -> None:
    """P28."""

    class Odd:
        pass

    class Holds(Payload, frozen=True, arbitrary_types_allowed=True):
        odd: Odd

    with pytest.raises(DeclarationError, match="Job 'any': its payload has no JSON Schema: "):
        package(app(declare(Holds)))


def test_a_literal_that_javascript_rounds_is_refused() -> None:
    """P28."""
    kind = create_model("Large", __base__=Payload, number=(Literal[9007199254740993], ...))
    with pytest.raises(
        DeclarationError, match="Job 'any': its payload holds the literal 9007199254740993, and JavaScr"
    ):
        package(app(declare(kind)))


def test_a_constant_that_holds_others_is_taken_as_a_whole() -> None:
    """P28."""

    class Corner(Enum):
        LEFT = (0, "left")
        RIGHT = (1, "right")

    kind = create_model("Sized", __base__=Payload, corner=(Corner, ...))
    assert (
        'z.union([z.tuple([z.literal(0), z.literal("left")]), z.tuple([z.literal(1), z.literal("right")])])'
        in package(app(declare(kind)))["jobs/any.js"]
    )


def test_a_field_that_has_several_names_is_told_by_the_first_one() -> None:
    """P4, P28."""

    class Renamed(Payload, frozen=True):
        unique_by = ("city_slug",)

        city_slug: str = Field(validation_alias=AliasChoices("citySlug", "city"))

    [contract] = gather(app(declare(Renamed)))
    assert [field.name for field in contract.key] == ["citySlug"]


def test_a_comment_cannot_be_ended_from_within() -> None:
    kind = create_model("Odd", __base__=Payload, __doc__="*/ evil() /*", x=(Annotated[int, Field(description="*/")], 1))
    texts = package(app(declare(kind)))["jobs/any.d.ts"]
    assert "/** *\\/ evil() /* */\n" in texts
    assert "  /**\n   * *\\/\n   * @default 1\n   */\n" in texts


class One:
    class Mail(Payload, frozen=True):
        to: str = "a"


class Other:
    class Mail(BaseModel):
        sent: bool


def test_of_an_external_job_the_payload_is_checked_though_its_result_has_a_class_of_that_name() -> None:
    """P28."""
    text = package(app(replace(declare(One.Mail, Other.Mail), external=True)))["jobs/any.js"]
    [checked] = re.findall(r"payload: (\w+),", text)
    assert f"const {checked} = z.strictObject" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"city": (str, Field("", validation_alias=AliasChoices("city", "town")))}, "has several names"),
        ({"number": (int, 2**60 + 1)}, "holds the default 1152921504606846977, and JavaScript rounds"),
        ({"constructor": (int, 1)}, "the field 'constructor' may be left out, and in JavaScript each object has one"),
    ],
    ids=["names", "default", "inherited"],
)
def test_what_a_worker_in_typescript_would_read_otherwise_is_refused(fields: dict[str, Any], said: str) -> None:
    """P28."""
    kind = create_model("Sent", __base__=Payload, **fields)
    with pytest.raises(DeclarationError, match=said):
        package(app(replace(declare(kind), external=True)))


def test_a_job_and_its_payload_have_two_names() -> None:
    kind = create_model("_2fa", __base__=Payload)
    text = package(app(declare(kind, name="2fa")))["jobs/2fa.js"]
    assert re.findall(r"const (\w+) =", text) == ["_2fa2", "_2fa"]


def test_a_pattern_of_pythons_own_engine_is_left_to_it() -> None:
    """P28."""
    kind = create_model("Coded", __base__=Payload, code=(str, Field(pattern=re.compile(r"^\w+$"))))
    assert "code: z.string()," in package(app(declare(kind)))["jobs/any.js"]


def test_a_key_whose_value_javascript_might_write_otherwise_has_to_be_told() -> None:
    """P4, P28."""

    class ByReal(Payload, frozen=True):
        unique_by = ("real",)

        real: float = 1.0

    class ByEither(Payload, frozen=True):
        unique_by = ("either",)

        either: UUID | str

    assert [one.unique for one in gather(app(declare(ByReal)))] == ["told"]
    assert [one.unique for one in gather(app(declare(ByEither)))] == ["told"]
    assert [one.unique for one in gather(app(declare(Simple)))] == ["no"]


def test_what_python_fills_in_is_optional_for_who_enqueues_and_there_in_what_it_gives() -> None:
    """P28."""

    class Given(BaseModel):
        model_config = ConfigDict(extra="forbid")

        note: str = "none"

    texts = package(app(declare(Simple, Given)))["jobs/any.d.ts"]
    assert "citySlug?: string | undefined;" in texts
    assert "  note: string;" in texts

"""What sample cafes are made of. Cities, streets and postcodes exist; the cafes do not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A city as people write it, the middle of it in degrees, and the start of its postcodes."""

    name: str
    slug: str
    spellings: tuple[str, ...]
    latitude: float
    longitude: float
    postcodes: tuple[str, ...]
    streets: tuple[str, ...]


def _split(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(separator))


_GERMAN = _split(
    """
    Bahnhofstraße, Goethestraße, Schillerstraße, Lindenstraße, Gartenstraße, Bergstraße, Kaiserstraße, Königstraße,
    Marktplatz,     Mozartstraße, Beethovenstraße, Poststraße, Schulstraße, Mühlenweg, Am Anger, Brückenstraße,
    Luisenstraße, Wilhelmstraße,     Kirchplatz, Neue Gasse, Rosenweg, Uferstraße, Altmarkt, Theaterplatz,
    Weststraße, Karlstraße, Hafenstraße, Turmstraße
    """,
    ",",
)
_SWISS = _split("Bahnhofstrasse, Langstrasse, Seefeldstrasse, Limmatquai, Josefstrasse, Weststrasse, Rämistrasse", ",")
_POLISH = _split("ul. Floriańska, ul. Grodzka, ul. Józefa, ul. Szeroka, ul. Długa, Plac Nowy, ul. Krupnicza", ",")

CITIES = (
    City("Berlin", "berlin", ("BERLIN",), 52.52, 13.405, ("10115", "10435", "10961", "12047"), _GERMAN),
    City("Hamburg", "hamburg", ("hamburg",), 53.551, 9.994, ("20095", "20357", "22765"), _GERMAN),
    City("München", "muenchen", ("Muenchen", "MÜNCHEN"), 48.137, 11.576, ("80331", "80469", "80799"), _GERMAN),
    City("Köln", "koeln", ("Koeln", "köln"), 50.938, 6.96, ("50667", "50674", "50823"), _GERMAN),
    City("Leipzig", "leipzig", ("leipzig",), 51.34, 12.373, ("04109", "04229", "04275"), _GERMAN),
    City("Dresden", "dresden", ("Dresden ",), 51.051, 13.738, ("01067", "01097", "01099"), _GERMAN),
    City("Düsseldorf", "duesseldorf", ("düsseldorf", "Duesseldorf"), 51.228, 6.774, ("40210", "40223"), _GERMAN),
    City("Münster", "muenster", ("Muenster",), 51.961, 7.626, ("48143", "48155"), _GERMAN),
    City("Nürnberg", "nuernberg", ("Nuernberg",), 49.454, 11.077, ("90402", "90429"), _GERMAN),
    City("Wien", "wien", ("WIEN",), 48.208, 16.373, ("1010", "1060", "1070"), _GERMAN),
    City("Zürich", "zuerich", ("Zuerich",), 47.377, 8.541, ("8001", "8004", "8008"), _SWISS),
    City("Kraków", "krakow", ("KRAKÓW",), 50.065, 19.945, ("31-021", "31-056", "33-332"), _POLISH),
)

KINDS = _split("Café Kaffeebar Rösterei Kaffeehaus Kaffeerösterei Espressobar Konditorei Kaffeeladen Bäckerei")

WORDS = _split(
    """
    Abendrot Ahorn Albatros Amsel Anker Apfelbaum Atlas Bellevue Birke Bohne Brise Buche Butterblume Dachgarten
    Distel Drossel Eiche Elster Erker Esche Falter Feder Feigenbaum Fernweh Fjord Flieder Flut Frühling Funke
    Galerie Garten Ginster Glocke Goldfisch Grünspecht Hafen Hain Hasel Heimat Himmel Hirsch Holunder Horizont
    Hummel Igel Insel Iris Jasmin Käuzchen Kastanie Kiefer Kiesel Kirsche Klee Kolibri Komet Koralle Kranich Krümel
    Laterne Laube Lerche Licht Linde Löffel Lotus Luchs Magnolie Mandel Marille Meise Milan Minze Mohn Mond
    Morgenrot Möwe Muschel Nachtigall Nebel Nelke Nordlicht Nussbaum Oase Olive Orchidee Otter Palme Pappel Perle
    Pfau Pfirsich Pinie Quelle Quitte Rabe Regen Reiher Ritter Robbe Rosine Rotkehlchen Säule Salbei Schaukel
    Schwalbe Seerose Silberdistel Sonne Specht Sperling Steg Stern Storch Süden Tanne Taube Tinte Tulpe Ufer Ulme
    Veilchen Wacholder Wal Weide Wiese Wimpel Wolke Zaunkönig Zeder Zimt Zitrone
    """
)

OWNERS = _split(
    """
    Ada Alma Amira Anton Asta Ayşe Bela Björn Bruno Carla Cem Clara Dörte Edda Elif Emil Enno Erika Fatma Finn
    Frieda Georg Greta Hanne Ida Ilse Jale Jörg Jule Käthe Karl Lale Lena Lotte Ludwig Magda Marek Mila Nils Nora
    Olga Oskar Paul Paula Rosa Rudi Sami Selma Søren Tilda Uwe Vera Wanda Willi Yara Zoë
    """
)

COMMENTS = ("", "", "", "", "Hafermilch", "nur Barzahlung", "WLAN gut, Steckdosen am Fenster", "Terrasse; mit Hund")

import type { Texts } from "./text";

export const de: Texts = {
  // Überall
  "app.skip": "Zum Inhalt",
  "app.menu": "Menü",
  "app.close": "Schließen",
  "app.cancel": "Abbrechen",
  "app.retry": "Erneut versuchen",
  "app.undo": "Rückgängig",
  "app.copy": "Kopieren",
  "app.copied": "Kopiert",
  "app.copyWhat": "{what} kopieren",
  "app.navigation": "Seiten",
  "app.loading": "Lädt",
  "app.none": "keine",
  "app.bytes": "{n} Byte|{n} Byte",
  "app.never": "nie",
  "app.help": "Tasten",
  "app.theme": "Darstellung",
  "app.theme.system": "Wie das System",
  "app.theme.light": "Hell",
  "app.theme.dark": "Dunkel",
  "app.language": "Sprache",
  "app.offline": "Die Registry ist nicht erreichbar. Was hier steht, kann veraltet sein.",
  "app.ended": "Ihre Sitzung ist beendet, {name}.",
  "app.clear": "Leeren",

  // Navigation
  "nav.content": "Inhalt",
  "nav.upkeep": "Pflege",
  "nav.people": "Personen",
  "nav.system": "System",

  // Kontomenü
  "account.open": "Konto von {name}",
  "account.admin": "Verwaltung",
  "account.settings": "Einstellungen",
  "account.signIn": "Anmelden",
  "account.signOut": "Abmelden",

  // Tasten
  "keys.search": "Suchen",
  "keys.help": "Diese Hilfe zeigen",
  "keys.go": "Zu {page}",
  "keys.next": "Nächste Zeile",
  "keys.previous": "Vorige Zeile",
  "keys.open": "Zeile öffnen",
  "keys.select": "Zeile auswählen",
  "keys.then": "dann",

  // Fehler
  "problem.title": "Das ging nicht",
  "problem.offline": "Die Registry ist nicht erreichbar",
  "problem.offline.do":
    "Prüfen Sie Ihre Verbindung. Die Seite macht von selbst weiter, sobald die Registry wieder antwortet.",
  "problem.403": "Das dürfen Sie nicht sehen",
  "problem.403.do": "Bitten Sie die Verwaltung dieser Registry um das Recht dazu.",
  "problem.404": "Das gibt es hier nicht",
  "problem.404.do": "Es wurde gelöscht, war nie da, oder Sie dürfen es nicht sehen.",
  "problem.429": "Zu viele Anfragen",
  "problem.429.do": "Warten Sie einen Moment und versuchen Sie es dann erneut.",
  "problem.429.wait": "In {n} Sekunde erneut versuchen.|In {n} Sekunden erneut versuchen.",
  "problem.500": "Die Registry hat versagt",
  "problem.500.do":
    "Versuchen Sie es erneut. Bleibt es so, nennen Sie den Betreibern die Anfragenummer unten.",
  "problem.503": "Die Registry ist beschäftigt",
  "problem.503.do": "Warten Sie einen Moment und versuchen Sie es dann erneut.",
  "problem.requestId": "Anfragenummer",

  // Tabelle
  "table.select": "{what} auswählen",
  "table.selectAll": "Alle geladenen auswählen",
  "table.sort": "Nach {what} sortieren",
  "table.more": "Lädt mehr",

  // Schweregrade
  "severity.critical": "Kritisch",
  "severity.high": "Hoch",
  "severity.medium": "Mittel",
  "severity.low": "Niedrig",
  "severity.unknown": "Unbekannt",
  "severity.none": "Sauber",

  // Keine solche Seite
  "notFound.title": "Keine solche Seite",
  "notFound.do": "Die Adresse ist vielleicht vertippt, oder die Seite ist umgezogen.",
  "notFound.home": "Zu den Repositorys",

  // Anmeldung
  "signIn.title": "Anmelden",
  "signIn.user": "Benutzername",
  "signIn.password": "Passwort",
  "signIn.code": "Code",
  "signIn.code.help": "Sechs Ziffern aus Ihrer App oder ein Wiederherstellungscode.",
  "signIn.code.wanted": "Dieses Konto hat einen zweiten Faktor. Geben Sie dessen Code ein.",
  "signIn.do": "Anmelden",
  "signIn.with": "Mit {title} anmelden",
  "signIn.or": "oder",
  "signIn.wrong": "Name, Passwort oder Code ist falsch.",
  "signIn.off": "An dieser Registry muss sich niemand anmelden.",
  "signIn.none": "Hier kann sich niemand mit einem Browser anmelden: Es ist kein Weg dazu eingerichtet.",

  // Repositorys
  "repositories.title": "Repositorys",
  "repositories.search": "Repositorys suchen",
  "repositories.name": "Name",
  "repositories.tags": "Tags",
  "repositories.size": "Größe",
  "repositories.pushed": "Letzter Push",
  "repositories.pulled": "Letzter Pull",
  "repositories.scan": "Schlimmster Fund",
  "repositories.notScanned": "nicht geprüft",
  "repositories.empty": "Noch keine Repositorys",
  "repositories.empty.do": "Ein Repository entsteht, sobald ein Image hineingeschoben wird:",
  "repositories.noMatch": "Kein Repository hat „{search}“ im Namen",
  "repositories.noMatch.do": "Teile eines Namens genügen, Groß- und Kleinschreibung ist gleich.",
};

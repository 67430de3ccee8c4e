/* What an attestation states (in-toto), however it is wrapped: plain, in an envelope (DSSE), in a bundle (sigstore). */

export interface Statement {
  predicateType: string;
  subjects: { name: string; digest: string }[];
  builder: string;
  buildType: string;
  predicate: unknown;
  whole: unknown; // for whoever knows more of it
}

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Json) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function decoded(base64: string): unknown {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Takes off what is around a statement; throws when it is damaged. */
function unwrapped(document: unknown): Json {
  const top = object(document);
  const envelope = "dsseEnvelope" in top ? object(top.dsseEnvelope) : top;
  return typeof envelope.payload === "string" ? object(decoded(envelope.payload)) : envelope;
}

/** The statement; null: it is none, as a signature of a digest alone. Throws when it is damaged. */
export function statementOf(document: unknown): Statement | null {
  const whole = unwrapped(document);
  if (!text(whole.predicateType)) return null;
  const predicate = object(whole.predicate);
  const definition = object(predicate.buildDefinition); // SLSA 1; before, the predicate had it itself
  const details = object(predicate.runDetails);
  const subjects = Array.isArray(whole.subject) ? whole.subject.map(object) : [];
  return {
    predicateType: text(whole.predicateType),
    subjects: subjects.map((one) => {
      const [algorithm, hex] = Object.entries(object(one.digest))[0] ?? ["", ""];
      return { name: text(one.name), digest: algorithm ? `${algorithm}:${text(hex)}` : "" };
    }),
    builder: text(object(details.builder).id) || text(object(predicate.builder).id),
    buildType: text(definition.buildType) || text(predicate.buildType),
    predicate: whole.predicate,
    whole,
  };
}

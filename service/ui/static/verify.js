// Recomputes a receipt in the browser, from the bytes of the receipt and the key on the page.
//
// Formats: c2sp.org/tlog-proof@v1 (receipt), c2sp.org/signed-note and tlog-checkpoint (signature),
// RFC 9162 section 2.1.3.2 (inclusion). Nothing here changes the record; nothing is sent anywhere.

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_RECEIPT_CHARS = 200_000; // an entry is at most 65,535 bytes, a note 16 signatures
const HASH_BYTES = 32;
const ED25519 = 0x01;

const text = new TextEncoder();

/** Signals that a check was made and failed. */
class Refused extends Error {}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (left, right) => left.length === right.length && left.every((byte, i) => byte === right[i]);
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(parts)));

function join(parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Bytes of standard, padded, canonical base64; anything else is refused. */
function base64(encoded) {
  const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  if (btoa(String.fromCharCode(...bytes)) !== encoded) throw new Refused("base64 is not canonical");
  return bytes;
}

/** The parts of a tlog-proof text: entry bytes, index, path, and the checkpoint as a signed note. */
export function parseReceipt(receipt) {
  if (receipt.length > MAX_RECEIPT_CHARS) throw new Refused("the receipt is too long");
  const cut = receipt.indexOf("\n\n");
  const [header, extra, index, ...path] = receipt.slice(0, cut).split("\n");
  const position = /^index (0|[1-9][0-9]{0,15})$/.exec(index ?? "");
  if (cut < 0 || header !== HEADER || !extra?.startsWith("extra ") || !position) {
    throw new Refused("this is not a receipt that carries its entry");
  }
  return {
    entry: base64(extra.slice("extra ".length)),
    index: Number(position[1]),
    path: path.map(base64),
    note: receipt.slice(cut + 2),
  };
}

/** A verifier key `name+hex+base64`: its name, its key id and the Ed25519 public key. */
export async function parseKey(vkey) {
  const [, name, id, encoded] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey) ?? [];
  const typed = base64(encoded ?? "");
  if (typed[0] !== ED25519 || typed.length !== 1 + HASH_BYTES) throw new Refused("not an Ed25519 key");
  const computed = (await sha256(text.encode(`${name}\n`), typed)).slice(0, 4);
  if (hex(computed) !== id) throw new Refused("the key does not match its id");
  return { name, id: computed, key: typed.slice(1) };
}

/** The checkpoint in a signed note, once the log's own signature has been verified. */
export async function openNote(note, { name, id, key }) {
  const cut = note.lastIndexOf("\n\n");
  const body = note.slice(0, cut + 1);
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  for (const line of note.slice(cut + 2).split("\n")) {
    const [, signer, encoded] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    if (signer !== name) continue;
    const signature = base64(encoded);
    if (!same(signature.slice(0, 4), id)) continue;
    const valid = await crypto.subtle.verify("Ed25519", imported, signature.slice(4), text.encode(body));
    if (!valid) throw new Refused("the signature does not match");
    return parseCheckpoint(body, name);
  }
  throw new Refused("the log’s key has not signed this checkpoint");
}

function parseCheckpoint(body, name) {
  const [origin, size, root, end, ...rest] = body.split("\n");
  if (origin !== name || end !== "" || rest.length || !/^(0|[1-9][0-9]{0,15})$/.test(size)) {
    throw new Refused("the signed text is not this log’s checkpoint");
  }
  return { origin, size: Number(size), root: base64(root) };
}

export const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

/** The root that a path leads to, RFC 9162 section 2.1.3.2; sizes beyond 2^31 need BigInt. */
export async function rootFrom(index, size, leaf, path) {
  if (index >= size) throw new Refused("the index lies beyond the signed tree");
  let at = BigInt(index);
  let last = BigInt(size) - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (sibling.length !== HASH_BYTES) throw new Refused("the path holds something that is not a hash");
    if (last === 0n) throw new Refused("the path is too long");
    if (at & 1n || at === last) {
      hash = await nodeHash(sibling, hash);
      while (!(at & 1n) && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new Refused("the path is too short");
  return hash;
}

/** Every committed section recomputed from the values and salts on the page (formats, section 3). */
export async function checkValues(entry, fields) {
  const sections = new Map();
  for (const field of fields) sections.set(field.section, [...(sections.get(field.section) ?? []), field]);
  for (const [section, members] of sections) {
    const digests = [];
    for (const { name, value, salt } of members) {
      const canonical = `[${JSON.stringify(section)},${JSON.stringify(name)},${value}]`;
      digests.push(await sha256(text.encode("decision-ledger/v1/field\n"), base64(salt), text.encode(canonical)));
    }
    const commitment = await sha256(text.encode("decision-ledger/v1/section\n"), ...digests);
    if (!same(commitment, base64(entry[section] ?? ""))) throw new Refused(`${section}: the values are not those committed`);
  }
  return `${fields.length} values in ${sections.size} sections match the entry`;
}

/** Every check on one receipt, each with its verdict in words; a failed check fails what rests on it. */
export async function verify({ receipt, vkey, leaf: shown, entryId, fields }) {
  const verdicts = [];
  const check = async (step, run) => {
    try {
      verdicts.push({ step, holds: true, said: await run() });
    } catch (error) {
      verdicts.push({ step, holds: false, said: error instanceof Refused ? error.message : `could not be read (${error.name})` });
    }
  };
  let leaf, checkpoint;
  await check("leaf", async () => {
    leaf = await leafHash(receipt.entry);
    if (hex(leaf) !== shown) throw new Refused(`computed ${hex(leaf).slice(0, 16)}…, which is not the leaf shown`);
    return `${hex(leaf).slice(0, 24)}…`;
  });
  await check("signature", async () => {
    checkpoint = await openNote(receipt.note, await parseKey(vkey));
    return `Ed25519, a tree of ${checkpoint.size.toLocaleString("en-GB")} entries`;
  });
  await check("inclusion", async () => {
    if (!leaf || !checkpoint) throw new Refused("there is no signed root to compare with");
    const root = await rootFrom(receipt.index, checkpoint.size, leaf, receipt.path);
    if (!same(root, checkpoint.root)) throw new Refused("the path does not lead to the signed root");
    return `entry ${receipt.index.toLocaleString("en-GB")}, ${receipt.path.length} hashes lead to the signed root`;
  });
  if (fields.length) {
    await check("values", async () => {
      const entry = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(receipt.entry));
      if (entry.id !== entryId) throw new Refused("the entry belongs to another record");
      return checkValues(entry, fields);
    });
  }
  return verdicts;
}

/** The same receipt with its entry naming another model: one digit of the digest is changed. */
export function changed(receipt) {
  const entry = new TextDecoder().decode(receipt.entry);
  const altered = entry.replace(/(?<="model":")[0-9a-f]/, (digit) => (parseInt(digit, 16) ^ 1).toString(16));
  return { ...receipt, entry: text.encode(altered) };
}

function committedFields() {
  return Array.from(document.querySelectorAll("#committed tbody tr"), (row) => {
    const [section, name, value, salt] = Array.from(row.cells, (cell) => cell.textContent);
    return { section, name, value, salt };
  });
}

function show(panel, verdicts, tampered) {
  for (const { step, holds, said } of verdicts) {
    const line = panel.querySelector(`[data-step="${step}"]`);
    line.dataset.state = holds ? "yes" : "no";
    line.querySelector("[data-said]").textContent = said;
  }
  const holds = verdicts.every((verdict) => verdict.holds);
  const verdict = panel.querySelector("[data-verdict]");
  verdict.dataset.state = holds ? "yes" : "no";
  if (tampered) verdict.textContent = holds ? "The change went unnoticed: do not trust this check" : "The entry was changed to name another model, and the proof fails";
  else verdict.textContent = holds ? "Recomputed in your browser: it holds" : "It does not hold: do not rely on this record";
}

async function run(panel, alter) {
  const verdict = panel.querySelector("[data-verdict]");
  try {
    const response = await fetch(panel.dataset.receipt, { headers: { Accept: "text/plain" } });
    if (!response.ok) throw new Refused("the receipt could not be fetched");
    const receipt = alter(parseReceipt(await response.text()));
    const { key: vkey, leaf, entry: entryId } = panel.dataset;
    show(panel, await verify({ receipt, vkey, leaf, entryId, fields: committedFields() }), alter === changed);
  } catch (error) {
    verdict.dataset.state = "no";
    verdict.textContent = error instanceof Refused ? `Not checked: ${error.message}` : "Not checked: the receipt could not be read";
  }
}

function start(panel) {
  const again = panel.querySelector("[data-check]");
  const tamper = panel.querySelector("[data-tamper]");
  if (!globalThis.isSecureContext) {
    panel.querySelector("[data-verdict]").textContent = "Not checked: browsers compute signatures only over https";
    return;
  }
  again.hidden = tamper.hidden = false;
  again.addEventListener("click", () => run(panel, (receipt) => receipt));
  tamper.addEventListener("click", () => run(panel, changed));
  run(panel, (receipt) => receipt);
}

const panel = globalThis.document?.querySelector("#proof");
if (panel) start(panel);

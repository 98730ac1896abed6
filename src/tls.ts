/**
 * The certificate and key of TLS_CERT_FILE and TLS_KEY_FILE. They are looked at every few seconds, since programs that renew a certificate
 * write files and tell nobody; two files are never written at once, so a pair that does not fit yet is left until it does.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf } from "./basics/errors";
import type { Config, Log } from "./protocols";

/** As Bun takes it; `cert` may be a chain. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Null without the settings. Throws an Error for the owner when a file cannot be read, or the two do not fit. */
export function readPair({ tlsCertFile, tlsKeyFile }: Config): TlsPair | null {
  if (tlsCertFile === null || tlsKeyFile === null) return null;
  const cert = readText("TLS_CERT_FILE", tlsCertFile);
  const key = readText("TLS_KEY_FILE", tlsKeyFile);
  const certificate = parsed("TLS_CERT_FILE", tlsCertFile, "certificate", () => new X509Certificate(cert));
  const secret: KeyObject = parsed("TLS_KEY_FILE", tlsKeyFile, "private key without a password", () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(secret)) {
    throw new Error(`TLS_KEY_FILE ${tlsKeyFile} is not the key of the certificate in TLS_CERT_FILE ${tlsCertFile}.`);
  }
  return { cert, key };
}

const LOOK_MS = 2000; // Reading two small files costs nothing, and an owner who renewed them wants to see it.
const WAIT_LOOKS = 5; // Until then the two files may still be on their way to the disk.

/** Calls `use` with each pair that is another one than the last, until the function returned is called. */
export function watchPair(
  config: Config,
  log: Log,
  first: TlsPair,
  use: (pair: TlsPair) => void,
  lookMs = LOOK_MS,
): () => void {
  let last = first;
  let faults = 0;
  const look = (): void => {
    try {
      const pair = readPair(config);
      faults = 0;
      if (!pair || (pair.cert === last.cert && pair.key === last.key)) return;
      use(pair);
      last = pair;
      log.info("Serving with the certificate that was written", { until: new X509Certificate(pair.cert).validTo });
    } catch (error) {
      // Said once, and tried again at each look.
      if (++faults === WAIT_LOOKS) log.error(`A new certificate cannot be used: ${messageOf(error)}`);
    }
  };
  const timer = setInterval(look, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}

function readText(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`${name} ${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}

/** OpenSSL's own words for a file without a key would help nobody. */
function parsed<Value>(name: string, path: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new Error(`${name} ${path} has no ${what} in PEM.`, { cause: error });
  }
}

import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";

/** The outcome of a connection to a host, before any request. */
export interface Connection {
  readonly host: string;
  readonly failure?: ConnectionProblem;
  /** Present for an https URL. */
  readonly certificate?: Certificate;
}

/** Why a host cannot be used, and what to do. */
export interface ConnectionProblem {
  readonly found: string;
  readonly advice: string;
}

/** The certificate of a server. */
export interface Certificate {
  /** Why the certificate is not trusted; undefined for a trusted certificate. */
  readonly problem?: ConnectionProblem;
  readonly daysLeft: number;
  readonly issuedBy: string;
}

const DAY_MS = 86_400_000;

/**
 * Resolves the host's name, connects to it, and reads its certificate. It rejects nothing: failures are
 * returned.
 */
export async function probeConnection(url: string, timeoutSeconds: number): Promise<Connection> {
  const { protocol, hostname, port, host } = new URL(url);
  const name = hostname.replace(/^\[|\]$/g, "");
  const isTls = protocol === "https:";
  try {
    if (!isIP(name)) await lookup(name);
    const target = { host: name, port: Number(port) || (isTls ? 443 : 80) };
    if (!isTls) {
      const socket = await waitForEvent(connectTcp(target), "connect", timeoutSeconds);
      socket.destroy();
      return { host };
    }
    // An untrusted certificate is accepted here, so that readCertificate can describe it.
    const options = { ...target, rejectUnauthorized: false, ...(!isIP(name) && { servername: name }) };
    const socket = await waitForEvent(connectTls(options), "secureConnect", timeoutSeconds);
    const certificate = readCertificate(socket);
    socket.destroy();
    return { host, certificate };
  } catch (error) {
    return { host, failure: describeFailure((error as NodeJS.ErrnoException).code ?? "unknown") };
  }
}

function waitForEvent<S extends ReturnType<typeof connectTcp> | TLSSocket>(
  socket: S,
  event: string,
  timeoutSeconds: number,
) {
  return new Promise<S>((resolve, reject) => {
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error);
    };
    socket.once(event, () => {
      socket.setTimeout(0);
      resolve(socket);
    });
    socket.once("error", fail);
    socket.setTimeout(timeoutSeconds * 1000, () => fail({ code: "ETIMEDOUT" }));
  });
}

function readCertificate(socket: TLSSocket): Certificate {
  const certificate: PeerCertificate = socket.getPeerCertificate();
  const daysLeft = Math.floor((Date.parse(certificate.valid_to) - Date.now()) / DAY_MS);
  const issuedBy = String(certificate.issuer?.O ?? certificate.issuer?.CN ?? "an unnamed CA").slice(0, 100);
  if (socket.authorized) return { daysLeft, issuedBy };
  const reason = String(socket.authorizationError ?? "unknown");
  return {
    daysLeft,
    issuedBy,
    problem: {
      found: `${reason}, issued by ${issuedBy}, valid until ${certificate.valid_to}`,
      advice: CERTIFICATE_ADVICE[toCode(reason)] ?? TRUST,
    },
  };
}

/** Node reports a wrong name only as a message: `Hostname/IP does not match certificate's altnames: …`. */
const toCode = (reason: string): string =>
  /altnames/.test(reason) ? "ERR_TLS_CERT_ALTNAME_INVALID" : reason;

const TRUST =
  "for a private CA, write the CA's certificate (PEM) into a file, " +
  "and set NODE_EXTRA_CA_CERTS=/path/ca.pem where the process is started " +
  "(Node.js does not read it from an env file)";

const CERTIFICATE_ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    "the operator of the provider must renew its certificate, unless this machine's clock is wrong",
  CERT_NOT_YET_VALID: "this machine's clock is wrong, or the provider's certificate is too new",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the certificate is for another host: check PORTAL_ISSUER, or a proxy in between",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the provider does not send the whole chain, or ${TRUST}`,
};

const describeFailure = (code: string): ConnectionProblem => ({
  found: code,
  advice: FAILURE_ADVICE[code] ?? "check PORTAL_ISSUER and outbound network access (proxy?)",
});

const FAILURE_ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no host of that name: check the spelling of PORTAL_ISSUER",
  EAI_AGAIN: "the name cannot be resolved now: check this machine's DNS",
  ECONNREFUSED: "no server listens there: check the port in PORTAL_ISSUER, and whether the provider runs",
  ETIMEDOUT: "no answer: a firewall blocks the connection, or outbound access needs a proxy",
  ECONNRESET: "the connection was closed: by a firewall, or by a server that does not use TLS at that port",
  ERR_SSL_WRONG_VERSION_NUMBER: "the server at that port does not use TLS: check the port in PORTAL_ISSUER",
};

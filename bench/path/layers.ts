/** Says of each sample of `perf` on which layer the processor was: the kernel, TLS, HTTP/2, JavaScript, … Pure. */

export const LAYERS = [
  "kernel",
  "OpenSSL",
  "HTTP/2",
  "JavaScript",
  "V8",
  "garbage collection",
  "copying, allocating",
  "Node, libuv",
] as const;
export type Layer = (typeof LAYERS)[number];

/** One sample's top of the stack. */
export interface Sample {
  readonly pid: number;
  readonly symbol: string;
  readonly object: string;
}

export interface LayerShare {
  readonly layer: Layer;
  /** Of all samples. */
  readonly share: number;
}

/** Names in the program of Node, the first that matches; what is in none is Node's own or libuv's. */
const SYMBOLS: readonly (readonly [RegExp, Layer])[] = [
  [/^nghttp2_|^node::http2::|hd_inflate|hd_deflate/, "HTTP/2"],
  [/Scaveng|Marking|MarkCompact|Sweep|Evacuat|GCTracer|heap::base|cppgc|v8::internal::Heap::/, "garbage collection"],
  [/^Builtins_/, "JavaScript"],
  [/^v8::|^v8_/, "V8"],
  [
    /^_*(?:aes|AES|gcm|ghash|sha\d|SHA\d|ossl_|OSSL_|EVP_|evp_|SSL_|ssl|tls|TLS|dtls|BIO_|bio_|CRYPTO_|OPENSSL_|ERR_|err_|EC_|ECDSA|ecp_|x25519|BN_|bn_|RAND_|rand_|HMAC|hmac|WPACKET|PACKET|X509|ASN1|asn1|OBJ_|chacha|poly1305|cipher|drbg|get_record|do_ssl|state_machine|read_state|write_state|lh_|generic_gcm|gcm_cipher|core_|int_ctx|provider_)/,
    "OpenSSL",
  ],
  [/^node::crypto::/, "OpenSSL"],
  [/^(?:operator (?:new|delete)|void\* operator)/, "copying, allocating"],
];
const MEMORY =
  /^(?:__)?(?:mem(?:move|cpy|set|cmp)|libc_(?:malloc|calloc|free)|malloc|calloc|realloc|free|cfree|_int_|unlink_chunk|sysmalloc|tcache)/;

export function layerOf({ symbol, object }: Sample): Layer {
  if (object.startsWith("[kernel") || object === "[vdso]") return "kernel";
  // Code that was made while the program ran has no file.
  if (object.startsWith("[JIT]") || object === "//anon" || object.startsWith("anon") || /perf-\d+\.map$/.test(object))
    return "JavaScript";
  if (/\/libc[.-]|\/libc\.so/.test(object)) return MEMORY.test(symbol) ? "copying, allocating" : "Node, libuv";
  return SYMBOLS.find(([pattern]) => pattern.test(symbol))?.[1] ?? "Node, libuv";
}

/** Reads what `perf script -F pid,ip,sym,dso` prints. */
export function readSamples(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, pid, symbol, object] = /^\s*(\d+)\s+[0-9a-f]+\s+(.*) \((.*)\)$/.exec(line) ?? [];
    return pid === undefined || symbol === undefined || object === undefined
      ? []
      : [{ pid: Number(pid), symbol, object }];
  });
}

/** How samples are shared by the layers, all of them, in their order. */
export function layerShares(samples: readonly Sample[]): LayerShare[] {
  const counts = new Map<Layer, number>();
  for (const sample of samples) {
    const layer = layerOf(sample);
    counts.set(layer, (counts.get(layer) ?? 0) + 1);
  }
  return LAYERS.map((layer) => ({ layer, share: (counts.get(layer) ?? 0) / Math.max(1, samples.length) }));
}

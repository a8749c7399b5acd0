/** Names, versions and licence texts of the packages that a build of esbuild's contains; `root` is where its paths start. */
export function noticesOf(
  metafile: { readonly inputs: Readonly<Record<string, unknown>> },
  root: string,
): Promise<string>;

/** Whether `root`/node_modules holds what `root`/package-lock.json asks for, as far as npm's own record tells. */
export function dependenciesAreFresh(root: string): Promise<boolean>;

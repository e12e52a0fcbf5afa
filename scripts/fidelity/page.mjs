export function write() { return true; }

// The page's language, and words in both.
export const lang = document.documentElement.lang === "zh" ? "zh" : "en";
export const t = (zh, en) => (lang === "zh" ? zh : en);

// What the server says in both languages reads "中文 / English".
export function own(message) {
  const at = message.indexOf(" / ");
  if (at < 0 || !/[㐀-鿿]/.test(message.slice(0, at))) return message;
  return lang === "zh" ? message.slice(0, at) : message.slice(at + 3);
}

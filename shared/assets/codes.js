// A new sheet of recovery codes: copied, saved as a file or printed. Without scripts the browser's own menu prints it.
"use strict";
{
  const sheet = document.querySelector("#sheet"), kept = document.querySelector("#kept");
  const button = (id) => document.querySelector(`#${id}`);
  const text = () => {
    const lines = [...sheet.querySelectorAll("h2, p, li")].map((line) => line.textContent.replace(/\s+/g, " ").trim());
    return `${lines.join("\n")}\n`;
  };
  button("keep").hidden = false;
  button("copy").hidden = !navigator.clipboard;
  button("copy").onclick = async ({ currentTarget }) => {
    try {
      await navigator.clipboard.writeText(text());
      kept.textContent = currentTarget.dataset.done;
      kept.className = "done";
    } catch {
      getSelection().selectAllChildren(sheet);
    }
  };
  button("download").onclick = () => {
    const url = URL.createObjectURL(new Blob([text()], { type: "text/plain;charset=utf-8" }));
    Object.assign(document.createElement("a"), { href: url, download: sheet.dataset.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  button("print").onclick = () => print();
}

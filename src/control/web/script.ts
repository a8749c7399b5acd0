/** The one script of the door's pages: it makes or uses a passkey and puts the answer into the form that asked for it. */

export const SCRIPT = `"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (form === null) return;
  const button = form.querySelector("button");
  const status = document.getElementById("passkey-status");
  const fault = document.getElementById("passkey-fault");
  const again = form.elements.namedItem("password_again");

  const bytes = (text) => {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };
  const text = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const show = (element, words) => {
    element.textContent = words;
    element.hidden = words === "";
  };
  const reason = (error) =>
    error.name === "NotAllowedError"
      ? "Nothing was confirmed, or it took too long. Try again."
      : error.name === "SecurityError"
        ? "The browser refuses passkeys at this address. Open the link by the name it was sent with."
        : error.name === "ConstraintError" || error.name === "NotSupportedError"
          ? "This device cannot keep such a passkey. Try another one."
          : "The browser could not do it: " + error.message;

  const create = async (options) => {
    const { id, response } = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
      },
    });
    return { id, client_data: text(response.clientDataJSON), attestation: text(response.attestationObject) };
  };
  const get = async (options) => {
    const { id, response } = await navigator.credentials.get({
      publicKey: { ...options, challenge: bytes(options.challenge) },
    });
    return {
      id,
      client_data: text(response.clientDataJSON),
      authenticator_data: text(response.authenticatorData),
      signature: text(response.signature),
    };
  };

  if (again !== null)
    for (const input of form.querySelectorAll("input[type=password]"))
      input.addEventListener("input", () => again.setCustomValidity(""));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(fault, "");
    if (again !== null && again.value !== form.elements.namedItem("password").value) {
      again.setCustomValidity("The two passwords differ");
      again.reportValidity();
      return;
    }
    if (window.PublicKeyCredential === undefined) {
      show(fault, "This browser knows no passkeys. Use another one.");
      return;
    }
    button.disabled = true;
    show(status, "Follow what your browser or device asks …");
    try {
      const work = form.dataset.passkey === "create" ? create : get;
      form.elements.namedItem("passkey").value = JSON.stringify(await work(JSON.parse(form.dataset.options)));
      form.submit();
    } catch (error) {
      button.disabled = false;
      show(status, "");
      show(fault, reason(error));
      button.focus();
    }
  });
})();
`;

"""Training at hosts: files checked and sent, jobs begun once and watched, models made into a card."""

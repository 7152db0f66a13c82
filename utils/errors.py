"""The one exception that means: the user can mend this."""


class UserError(ValueError):
    """A message for the user, in the form "where: what is wrong, what is allowed or what to type".

    `main.py` prints it as one line and exits with code 2; anything else is a defect of ours and keeps its traceback.
    """

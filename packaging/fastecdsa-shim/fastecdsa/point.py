from fastecdsa._absent import absent


class Point:
    def __init__(self, *args: object, **kwargs: object) -> None:
        absent(*args, **kwargs)
